//! A program reads the kernel's release from a file of procfs that is masked or refused. Says nothing of uname(2), which
//! reads no file.

use monitor_common::{path::PathClass, probe::Probe};

use super::{
    Need, Pattern,
    wording::{config, kernel, program},
    writable::is_below,
};
use crate::{
    case::{Case, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        errno::Errno,
        fact::Config,
        text::inert,
    },
};

const FILE: &str = "/proc/sys/kernel/osrelease";

pub(super) const PATTERN: Pattern = Pattern {
    id: "osrelease-unreadable",
    severity: Severity::Info,
    title: "The program reads the kernel's release from a file that it cannot read here",
    symptom: "A program that prints or compares the kernel's version finds an empty one, or `open \
        /proc/sys/kernel/osrelease: permission denied`.",
    evidence: "A program of the container opens `/proc/sys/kernel/osrelease`, and the open fails (certain), or succeeds \
        where the configuration masks the path (certain) or mounts something over it (high).",
    look_alikes: "- Go's runtime, libc, `uname -r` and `syscall.Uname` never open the file: uname(2) answers them, masked or \
        not. Nothing that goes wrong in them has this cause.\n\
        - The same open where nothing masks the path: healthy.\n\
        - The runtime's own stages before the container's command: ignored.",
    remedy: "Ask uname(2) instead of the file: `syscall.Uname`, or `unix.Uname` of golang.org/x/sys.",
    limits: "A program that is not Go and that ends well within a second is forgotten before it is looked at. What stands in \
        a file that is mounted over the path is not read.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Open), Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let own = case.processes().filter(|process| !process.is_runtime_stage());
    own.filter_map(|process| find(case, process)).collect()
}

/// What keeps the release from the program.
enum Screen<'a> {
    Refused(Errno),
    /// `linux.maskedPaths` names the path, or a directory above.
    Masked(&'a str),
    /// The destination of a mount that is not procfs.
    Mounted(&'a str),
}

impl<'a> Screen<'a> {
    /// Of the file, for who could open it.
    fn of(config: &'a Config) -> Option<Self> {
        let covers = |path: &&String| is_below(FILE, path);
        if let Some(path) = config.masked_paths.iter().find(covers) {
            return Some(Self::Masked(path));
        }
        let over = config.mounts.iter().filter(|mount| is_below(FILE, &mount.destination));
        let mount = over.max_by_key(|mount| mount.destination.trim_end_matches('/').len())?;
        let is_procfs = mount.kind == "proc" || mount.kind == "bind" && is_below(&mount.source, "/proc");
        (!is_procfs).then_some(Self::Mounted(&mount.destination))
    }

    fn confidence(&self) -> Confidence {
        match self {
            Self::Refused(_) | Self::Masked(_) => Confidence::Certain,
            Self::Mounted(_) => Confidence::High,
        }
    }

    fn says(&self) -> String {
        match self {
            Self::Refused(errno) => format!("cannot open {FILE} ({errno})"),
            Self::Masked(_) => {
                format!("reads the kernel's release from {FILE}, which is masked: it is empty")
            }
            Self::Mounted(path) => format!(
                "reads the kernel's release from {FILE}, and what it reads is what the mount at {} has there",
                inert(path)
            ),
        }
    }

    fn evidence(&self) -> Option<Evidence> {
        Some(config(match self {
            Self::Refused(_) => return None,
            Self::Masked(path) => format!("linux.maskedPaths has {}", inert(path)),
            Self::Mounted(path) => format!("a mount that is not procfs lies at {}", inert(path)),
        }))
    }
}

fn find(case: &Case, process: &Process) -> Option<Finding> {
    let open = process.opens.iter().find(|open| open.class == PathClass::OsRelease)?;
    let screen = match open.result {
        Err(errno) => Screen::Refused(errno),
        Ok(_) => Screen::of(case.config.get()?)?,
    };
    let name = program(process);
    let outcome =
        open.result.err().map_or_else(|| "succeeded".to_owned(), |errno| format!("failed with {errno}"));
    let mut evidence = vec![kernel(open.at, format!("open(\"{FILE}\") by {name} {outcome}"))];
    evidence.extend(screen.evidence());
    Some(Finding {
        severity: Severity::Info,
        confidence: screen.confidence(),
        subject: FILE.to_owned(),
        summary: format!("{name} {}", screen.says()),
        evidence,
        remedy: "// uname(2) reads no file, so no mask is in its way\n\
            var uts syscall.Utsname\n\
            err := syscall.Uname(&uts)   // uts.Release"
            .to_owned(),
        at: open.at,
    })
}
