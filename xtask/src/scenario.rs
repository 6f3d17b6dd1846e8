//! Cuts one container out of a recording and keeps it as a test scenario of a pattern, free of what names this machine.

mod cut;
mod scrub;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::say;

/// What is cut out, and what it becomes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A file that `gomon record` wrote
    #[arg(long, value_name = "FILE")]
    recording: PathBuf,
    /// The container's name in the recording
    #[arg(long, value_name = "NAME")]
    container: String,
    /// The pattern that the scenario belongs to
    #[arg(long, value_name = "ID")]
    pattern: String,
    /// Whether the pattern must fire or must stay silent
    #[arg(long = "as", value_name = "KIND")]
    kind: Kind,
    /// Tells it from other scenarios of the same kind
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
}

/// What is expected of the pattern.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// It names the failure
    Fires,
    /// A healthy look-alike, or the failure of a neighbouring pattern
    NearMiss,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Fires => "fires",
            Self::NearMiss => "near-miss",
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    for word in [Some(&options.pattern), options.variant.as_ref()].into_iter().flatten() {
        let is_plain = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        ensure!(is_plain && !word.is_empty(), "{word:?}: lower case letters, digits and hyphens only");
    }
    let text = fs::read_to_string(&options.recording)
        .with_context(|| format!("cannot read {}", options.recording.display()))?;
    let scenario = cut::cut(&text, &options.container).with_context(|| {
        format!("cannot cut {} out of {}", options.container, options.recording.display())
    })?;
    let path = destination(options);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&path, &scenario).with_context(|| format!("cannot write {}", path.display()))?;
    say::result(format_args!("{} ({} lines)", path.display(), scenario.lines().count()));
    say::progress(format_args!("next: GOMON_UPDATE_SCENARIOS=1 cargo test -p monitor --test catalogue"));
    Ok(ExitCode::SUCCESS)
}

fn destination(options: &Options) -> PathBuf {
    let mut name = options.kind.name().to_owned();
    if let Some(variant) = &options.variant {
        name.push('-');
        name.push_str(variant);
    }
    Path::new("tests/scenarios").join(&options.pattern).join(name + ".jsonl")
}
