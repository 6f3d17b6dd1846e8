//! A program cannot write where it wants to: says which mount, mode or missing directory is in the way.

use std::collections::BTreeMap;

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    aftermath::{Aftermath, ended_well, is_settled},
    start::ended,
    wording::{config, counted, files, kernel, program},
    writable::{Attempt, Obstacle, covering, remedy},
};
use crate::{
    case::{Case, OpenSeen, Process, RefusedSeen, is_for_writing, parent, writes_to_files},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        errno::Errno,
        fact::{Config, Mount},
        text::inert,
        time::BootNs,
    },
};

/// Directories that are told of one process; a program that tries many fails for one reason.
const MAX_PLACES: usize = 8;
/// `AT_FDCWD`, openat(2), as the low half of a register.
const AT_FDCWD: u32 = 0xffff_ff9c;
const O_CREAT: u32 = 0o100;

pub(super) const PATTERN: Pattern = Pattern {
    id: "read-only-filesystem",
    severity: Severity::Warning,
    title: "The program cannot write where it wants to",
    symptom: "`open /data/x: read-only file system`, `open /tmp/x123: no such file or directory` in an image without \
        `/tmp`, `mkdir /data: permission denied` for a user that is not root.",
    evidence: "An open for writing, or `mkdir`, `rename`, `unlink`, `chmod` or `mknod`, fails, and the configuration or the \
        files say why. Reasons: `read-only-root` (EROFS, `root.readonly`, no mount over the path), `read-only-mount` \
        (EROFS below a mount with the option `ro`; medium where only the file system behind the mount can be the cause), \
        `no-tmp` (ENOENT, and the directory for temporary files does not exist), `mode` (EACCES, and mode and owner deny \
        it to the container's user). Warning for a Go program; error if it, or PID 1, ends in failure within a second; \
        info if it ends with 0 within a second, and for any other program that goes on.",
    look_alikes: "- Writes below `/proc`, `/sys` and `/dev` fail with EROFS in every container: ignored.\n\
        - The runtime's own stages before the container's command: ignored.\n\
        - A tool that probes and falls back: not a Go program and goes on, so info.\n\
        - A Go program that writes elsewhere after a refusal looks the same as one that lost its data. Exit code 0 within a \
        second says that it did without: info. One that goes on stays a warning.\n\
        - A directory below `/tmp` that nobody made: no finding, the program has to make it.\n\
        - EACCES where mode and owner allow it: seccomp, a security module or another user; no finding.\n\
        - A command from outside (`docker exec`, a health check): info.",
    remedy: "`--tmpfs DIR` or a volume for what may be lost or must be kept (in a pod `emptyDir`), a `/tmp` with mode 1777 \
        in a scratch image, `COPY --chown` or `fsGroup` for the user that the container runs as.",
    limits: "A full tmpfs (ENOSPC) shows on write, which is not watched. `mkdir` in a missing `/tmp` and a `TMPDIR` that \
        does not exist fail with ENOENT, which is not watched there. A relative path counts from the container's working \
        directory (high). Of one process the first eight directories are told.",
    brought_about_by: &[],
    needs: &[
        Need::Probe(Probe::Open),
        Need::Probe(Probe::SyscallRefused),
        Need::Probe(Probe::Exit),
        Need::Config,
        Need::WrittenFiles,
    ],
    matches,
};

/// One call that failed.
struct Refused<'a> {
    at: BootNs,
    /// As it is told.
    call: String,
    errno: Errno,
    /// Absolute.
    path: String,
    is_relative: bool,
    creates: bool,
    changes_directory: bool,
    obstacle: Option<Obstacle<'a>>,
}

impl Refused<'_> {
    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            path: &self.path,
            errno: self.errno,
            creates: self.creates,
            changes_directory: self.changes_directory,
        }
    }
}

fn matches(case: &Case) -> Vec<Finding> {
    let Some(config) = case.config.get() else { return Vec::new() };
    let all = case
        .processes()
        .filter(|process| !process.is_runtime_stage())
        .flat_map(|process| find(case, config, process));
    worst_of_each(all)
}

/// Who probes a place must not hide who fails there.
fn worst_of_each(all: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut by_subject: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for finding in all {
        by_subject.entry(finding.subject.clone()).or_default().push(finding);
    }
    by_subject
        .into_values()
        .flat_map(|mut findings| {
            let worst = findings.iter().map(|finding| finding.severity).max();
            findings.retain(|finding| Some(finding.severity) == worst);
            findings
        })
        .collect()
}

fn find(case: &Case, config: &Config, process: &Process) -> Vec<Finding> {
    let mut refused = refusals(case, process);
    refused.sort_by_key(|one| one.at);
    let mut places: Vec<(String, Vec<Refused<'_>>)> = Vec::new();
    for mut one in refused {
        one.obstacle = Obstacle::of(case, one.attempt());
        let Some(obstacle) = one.obstacle else { continue };
        let subject = format!("{}: {}", obstacle.place(one.attempt()), obstacle.name());
        let is_new = places.iter().all(|(known, _)| *known != subject);
        if is_new && places.len() < MAX_PLACES {
            places.push((subject.clone(), Vec::new()));
        }
        if let Some((_, group)) = places.iter_mut().find(|(known, _)| *known == subject) {
            group.push(one);
        }
    }
    places.iter().filter_map(|(subject, group)| finding(case, config, process, subject, group)).collect()
}

/// All calls of a process that were refused a write and of which all is known that can be.
fn refusals<'a>(case: &'a Case, process: &'a Process) -> Vec<Refused<'a>> {
    let opens = process.opens.iter().filter_map(|open| of_open(case, open));
    let calls = process.refused.iter().filter_map(|refused| of_call(case, refused));
    let is_known = |one: &Refused<'_>| {
        !case.is_awaited(&one.path)
            && !case.is_awaited(parent(&one.path))
            && is_settled(case, process, one.at)
    };
    opens.chain(calls).filter(is_known).collect()
}

fn of_open<'a>(case: &Case, open: &OpenSeen) -> Option<Refused<'a>> {
    let errno = open.result.err().filter(|errno| *errno == Errno::EROFS || is_for_writing(open.flags))?;
    Some(Refused {
        at: open.at,
        call: format!("open(\"{}\") for writing", inert(&open.path)),
        errno,
        path: case.absolute(&open.path),
        is_relative: !open.path.starts_with('/'),
        creates: open.flags & O_CREAT != 0,
        changes_directory: false,
        obstacle: None,
    })
}

fn of_call<'a>(case: &Case, refused: &RefusedSeen) -> Option<Refused<'a>> {
    let (path, errno) = (refused.path()?, refused.errno()?);
    let is_relative = !path.starts_with('/');
    let starts_at = refused.arguments.first().copied().unwrap_or_default();
    // Below a directory that is held open: nobody knows which.
    let is_elsewhere =
        is_relative && refused.syscall.contains("at") && starts_at & 0xffff_ffff != u64::from(AT_FDCWD);
    // Who may change a mode is not a question of the mode.
    let is_about_mode = errno == Errno::EACCES && refused.syscall.contains("chmod");
    if path.is_empty() || is_elsewhere || is_about_mode || !writes_to_files(&refused.syscall) {
        return None;
    }
    Some(Refused {
        at: refused.at,
        call: format!("{}(\"{}\")", refused.syscall, inert(path)),
        errno,
        path: case.absolute(path),
        is_relative,
        creates: refused.syscall.starts_with("mkdir"),
        changes_directory: true,
        obstacle: None,
    })
}

fn finding(
    case: &Case,
    config: &Config,
    process: &Process,
    subject: &str,
    group: &[Refused<'_>],
) -> Option<Finding> {
    // The latest one may have been one too many.
    let (first, last) = (group.first()?, group.last()?);
    let obstacle = first.obstacle?;
    let place = obstacle.place(first.attempt());
    let after = Aftermath::of(case, process, last.at);
    let confidence = match obstacle {
        Obstacle::ReadOnlySource(_) => Confidence::Medium,
        _ if first.is_relative => Confidence::High,
        Obstacle::ReadOnlyRoot
        | Obstacle::ReadOnlyMount(_)
        | Obstacle::NoTemporary(_)
        | Obstacle::Mode(_)
        | Obstacle::ClosedDirectory(..) => Confidence::Certain,
    };
    Some(Finding {
        severity: severity(case, process, (after, ended_well(process, last.at))),
        confidence,
        subject: inert(subject).into_owned(),
        summary: format!(
            "{} cannot write to {}: {}{}",
            program(process),
            inert(&place),
            obstacle.says(&place, config),
            after.says()
        ),
        evidence: evidence(config, process, &obstacle, &place, (group, after)),
        remedy: remedy(case, config, obstacle, first.attempt()),
        at: first.at,
    })
}

/// `after`, and whether the process exited with 0 at once.
fn severity(case: &Case, process: &Process, (after, is_content): (Aftermath, bool)) -> Severity {
    let (is_go, is_init) = (case.is_go(process), case.is_init(process));
    match after {
        _ if case.is_from_outside(process) => Severity::Info,
        Aftermath::EndedContainer(_) => Severity::Error,
        Aftermath::Ended(_) if is_go || is_init => Severity::Error,
        Aftermath::WentOn if is_content => Severity::Info,
        Aftermath::Ended(_) | Aftermath::WentOn if is_go => Severity::Warning,
        Aftermath::Ended(_) | Aftermath::WentOn => Severity::Info,
    }
}

fn evidence(
    config_of: &Config,
    process: &Process,
    obstacle: &Obstacle<'_>,
    place: &str,
    (group, after): (&[Refused<'_>], Aftermath),
) -> Vec<Evidence> {
    let mut all: Vec<Evidence> = Vec::new();
    if let [first, more @ ..] = group {
        let name = program(process);
        all.push(kernel(first.at, format!("{} by {name} failed with {}", first.call, first.errno)));
        if let Some(last) = more.last() {
            let count = counted(u64::try_from(more.len()).unwrap_or(u64::MAX), "more call", "more calls");
            all.push(kernel(last.at, format!("{count} there failed, the last one {}", last.call)));
        }
    }
    let who = if after.is_container() { "PID 1 of the container" } else { "it" };
    all.extend(after.exit().or(process.exit).map(|exit| ended(exit, who)));
    all.push(match obstacle {
        Obstacle::ReadOnlyRoot => config("root.readonly is true"),
        Obstacle::ReadOnlyMount(mount) | Obstacle::ReadOnlySource(mount) => config(mounted(mount)),
        Obstacle::NoTemporary(directory) => files(format!("there is no {directory} in the container")),
        Obstacle::Mode(file) => {
            files(format!("{}: mode {:04o}, owner {}:{}", inert(&file.path), file.mode, file.uid, file.gid))
        }
        Obstacle::ClosedDirectory(directory, mode) => {
            files(format!("{} has mode {mode:04o}", inert(directory)))
        }
    });
    if matches!(obstacle, Obstacle::Mode(_) | Obstacle::ClosedDirectory(..)) {
        all.push(config(format!("the container runs as UID {} GID {}", config_of.uid, config_of.gid)));
        all.extend(covering(config_of, place).map(|mount| config(mounted(mount))));
    }
    all
}

fn mounted(mount: &Mount) -> String {
    let source =
        if mount.kind == "bind" { format!(" {} of the host", inert(&mount.source)) } else { String::new() };
    format!(
        "{} is a mount ({}{source}) with the options {}",
        inert(&mount.destination),
        inert(&mount.kind),
        inert(&mount.options.join(","))
    )
}

#[cfg(test)]
mod tests;
