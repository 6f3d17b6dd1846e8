//! The product: a named cause with its evidence, how sure it is and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    container::{ContainerId, Identity},
    time::BootNs,
};

/// How much it matters. Ordered: `Info < Warning < Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How sure gomon is. Ordered from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The evidence fits, and something else could look the same.
    Medium,
    /// A look-alike exists and was ruled out by the named check.
    High,
    /// The rule has no known look-alike.
    Certain,
}

impl Confidence {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Medium => "medium",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a piece of evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A kernel event of gomon's own programs.
    Kernel,
    /// The container's files.
    Files,
    /// The container's OCI configuration.
    Config,
    /// What the container runtime says (exit code, OOM flag).
    Runtime,
    /// Procfs and cgroupfs: running processes, throttling.
    Procfs,
}

impl Source {
    pub const ALL: [Self; 5] = [Self::Kernel, Self::Files, Self::Config, Self::Runtime, Self::Procfs];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Files => "files",
            Self::Config => "config",
            Self::Runtime => "runtime",
            Self::Procfs => "procfs",
        }
    }
}

/// One fact that a diagnosis rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it happened; `None` for a standing fact such as a file's contents.
    pub at: Option<BootNs>,
    pub source: Source,
    /// One sentence. Strings from the container are already inert.
    pub fact: String,
}

/// What a pattern found in one run of a container. All text is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub confidence: Confidence,
    /// The thing that is missing or wrong: a path, a library, an architecture. Part of the diagnosis's identity.
    pub subject: String,
    /// One sentence: what failed and why.
    pub summary: String,
    pub evidence: Vec<Evidence>,
    /// A change that can be pasted.
    pub remedy: String,
    /// The occurrence that it rests on; a later one of the same subject is a repeat.
    pub at: BootNs,
}

/// A finding of one container, merged over its repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    pub container: ContainerId,
    /// A pattern id of the catalogue.
    pub pattern: String,
    pub severity: Severity,
    pub confidence: Confidence,
    pub subject: String,
    pub summary: String,
    /// Of the latest occurrence.
    pub evidence: Vec<Evidence>,
    pub remedy: String,
    pub first_seen: BootNs,
    pub last_seen: BootNs,
    /// How often it occurred; a crash loop is one diagnosis with a count.
    pub count: u64,
    /// The pattern of another diagnosis of this container that brought this one about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequence_of: Option<String>,
}

/// What gomon can say about a container as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Findings,
    /// Everything that the patterns rest on was seen, and none of them fits.
    Clean,
    /// Something could not be seen, see the coverage; or the container ended in failure and no pattern says why.
    Inconclusive,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Clean => "clean",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Something that gomon could not see, and the patterns whose answer is "cannot tell" because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blindness {
    /// A probe, or a fact about the container.
    pub what: String,
    pub why: String,
    pub patterns: Vec<String>,
}

/// How much of a container's life was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    pub from: BootNs,
    pub to: BootNs,
    /// All probes were attached before the container's first process started.
    pub attached_before_start: bool,
    pub events_lost: u64,
    pub blind: Vec<Blindness>,
}

impl Coverage {
    /// Nothing that a pattern rests on was missed.
    pub fn is_whole(&self) -> bool {
        self.blind.is_empty() && self.events_lost == 0
    }
}

/// How the container's first process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// `None` where only the runtime remembers it.
    pub at: Option<BootNs>,
    /// As a shell shows it: 128 plus the signal's number after a kill.
    pub code: i64,
    pub meaning: Meaning,
}

/// What an exit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    /// Code 0.
    Success,
    /// Somebody outside the container asked for it with a signal.
    Stopped,
    /// A diagnosis says why.
    Explained,
    /// No pattern fits.
    Unexplained,
}

impl Meaning {
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Stopped => "stopped",
            Self::Explained => "explained",
            Self::Unexplained => "unexplained",
        }
    }
}

/// The whole answer about one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    pub container: ContainerId,
    pub identity: Identity,
    pub verdict: Verdict,
    /// The most severe first, then the surest.
    pub diagnoses: Vec<Diagnosis>,
    /// `None` while it runs.
    pub ending: Option<Ending>,
    pub coverage: Coverage,
}
