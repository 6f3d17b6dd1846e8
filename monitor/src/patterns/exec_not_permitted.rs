//! The file is there and may not be executed: says which rule forbids it.

use super::{
    Need, Pattern,
    permission::{self, Refusal, Suspects},
    start::{Attempt, Origin, Seen, attempts},
    wording::{config, files, kernel},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Confidence, Finding, Severity},
        errno::Errno,
        fact::{Content, File},
        text::inert,
    },
};
use monitor_common::probe::Probe;

pub(super) const PATTERN: Pattern = Pattern {
    id: "exec-not-permitted",
    severity: Severity::Error,
    title: "The program is there, but may not be executed",
    symptom: "`permission denied` at create (exit code 126), `operation not permitted` or `text file busy` at start \
        (exit code 1, 255 with recent runc). From Go: `fork/exec /app/x: permission denied`.",
    evidence: "`execve` returns EPERM, EACCES or ETXTBSY, or the runtime's init stage ends before any `execve`; the \
        container's files and configuration name the rule. Reasons: `file-capabilities` (a capability of the file with \
        the effective bit is not in the bounding set), `mode` (no x bit for the container's user, or a directory), \
        `directory-mode` (a directory above may not be searched), `noexec-mount`, `text-busy`, `seccomp` (the \
        container's profile answers `execve` with that errno; certain), `denied` (files and profile allow it: a \
        security module, whose profile is named; medium).",
    look_alikes: "- A setuid binary under `--user` starts: no event.\n\
        - The script is fine and its interpreter is not: judged by the interpreter's own mode and capabilities.\n\
        - A missing file: `entrypoint-not-found`.\n\
        - A search along PATH meets a closed directory and goes on: ignored.\n\
        - A program that is still being written, started by a process that tries again: warning, and info once it has \
        started.",
    remedy: "`file-capabilities`: `setcap -r`, or grant the capability (ports below 1024 need none on current Docker). \
        `mode`: `COPY --chmod=0755`. `noexec-mount`: start it from another mount.",
    limits: "A security module does not say that it was the one that refused: reason `denied`, confidence medium. A \
        seccomp profile that could not be read is among the suspects.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::ExecFailed), Need::Probe(Probe::Exit), Need::Entrypoint],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    attempts(case)
        .iter()
        .filter_map(|attempt| {
            // A filter answers before anybody looks at the file.
            let by_filter = by_seccomp(case, attempt);
            by_filter.or_else(|| match attempt.file {
                Some(file) => find(case, attempt, file.present()?),
                None => on_unseen_mount(case, attempt),
            })
        })
        .collect()
}

fn by_seccomp(case: &Case, attempt: &Attempt<'_>) -> Option<Finding> {
    let errno = attempt.errno().filter(|errno| matches!(*errno, Errno::EPERM | Errno::EACCES))?;
    let refusal = permission::by_seccomp(case, errno)?;
    Some(finding(case, attempt, None, &refusal))
}

fn find(case: &Case, attempt: &Attempt<'_>, file: &File) -> Option<Finding> {
    let own = permission::refusal(case, file);
    let (culprit, refusal) = match own {
        Some(refusal) => (file, Some(refusal)),
        None => runner(file).map_or((file, None), |runner| (runner, permission::refusal(case, runner))),
    };
    // Without the configuration nobody knows what the files forbid.
    let denied = || {
        let suspects = Suspects::of(case, attempt.errno()?, attempt.origin != Origin::Start);
        case.config.get().map(|_| Refusal::Denied(suspects))
    };
    let refusal = match attempt.seen {
        Seen::Refused(_, failure) => match failure.errno {
            Errno::ETXTBSY => Refusal::TextBusy,
            Errno::EPERM => refusal.filter(Refusal::is_eperm).or_else(denied)?,
            Errno::EACCES => refusal.filter(|r| !r.is_eperm()).or_else(denied)?,
            _ => return None,
        },
        // Before the execve the runtime looks at modes and mounts, not at capabilities.
        Seen::Checked(..) => refusal.filter(|r| !r.is_eperm())?,
        Seen::Past(_) => refusal?,
    };
    Some(finding(case, attempt, Some(culprit), &refusal))
}

/// A file on a mount that exists only inside the running container: the configuration knows the mount.
fn on_unseen_mount(case: &Case, attempt: &Attempt<'_>) -> Option<Finding> {
    let refusal = permission::noexec_mount(case, &attempt.path)?;
    let is_refused = attempt.errno() == Some(Errno::EACCES) && case.is_unreadable(&attempt.path);
    is_refused.then(|| finding(case, attempt, None, &refusal))
}

/// The interpreter of a script, or the loader of a program, where it exists.
fn runner(file: &File) -> Option<&File> {
    let interpreter = match file.content.get()? {
        Content::Script(script) => &script.interpreter,
        Content::Elf(elf) => elf.interpreter.as_ref()?,
        Content::Empty | Content::ByteOrderMarkedScript | Content::Other { .. } => return None,
    };
    interpreter.file.get()?.present()
}

fn finding(case: &Case, attempt: &Attempt<'_>, culprit: Option<&File>, refusal: &Refusal) -> Finding {
    let path = &attempt.path;
    let culprit_path = culprit.map_or_else(|| path.clone(), |file| inert(&file.path).into_owned());
    let says = refusal.fact(culprit);
    let mut evidence = attempt.evidence(case);
    evidence.push(if *refusal == Refusal::TextBusy {
        // Nothing but the errno says so.
        kernel(attempt.at, format!("ETXTBSY: {culprit_path} {says}"))
    } else if culprit.is_none() {
        config(format!("{culprit_path} {says}"))
    } else {
        files(format!("{culprit_path} {says}"))
    });
    if let Some(user) = case.config.get() {
        evidence.push(config(format!("the container runs as UID {} GID {}", user.uid, user.gid)));
        if user.no_new_privileges && matches!(refusal, Refusal::FileCapabilities(_)) {
            evidence
                .push(config("no_new_privileges: capabilities of a file take no effect in this container"));
        }
    }
    let whose = if *path == culprit_path { "it" } else { &culprit_path };
    Finding {
        severity: severity(case, attempt, refusal),
        confidence: match (refusal, culprit) {
            (Refusal::Denied(_), _) => Confidence::Medium,
            (Refusal::Seccomp(call, _), _) if *call == "execve" => Confidence::Certain,
            // Whether it was execve or execveat that failed is not seen.
            (Refusal::Seccomp(..), _) | (_, None) => Confidence::High,
            (_, Some(_)) => attempt.confidence(),
        },
        subject: format!("{path}: {}", refusal.name()),
        summary: format!("{path} may not be executed: {whose} {says}"),
        remedy: if *refusal == Refusal::Mode && *path != culprit_path {
            // The interpreter came with the image.
            format!("RUN chmod a+rx {culprit_path}")
        } else {
            refusal.remedy(&culprit_path)
        },
        evidence,
        at: attempt.at,
    }
}

/// Who writes a program and starts it may meet a writer that is not done yet, and tries again.
fn severity(case: &Case, attempt: &Attempt<'_>, refusal: &Refusal) -> Severity {
    if *refusal != Refusal::TextBusy || attempt.origin == Origin::Start {
        return attempt.severity();
    }
    if case.has_executed_after(&attempt.path, attempt.at) { Severity::Info } else { Severity::Warning }
}
