//! The command that the container was told to run does not exist.

use super::{
    Need, Pattern,
    start::{Attempt, Seen, attempts},
    wording::{config, files},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Finding, Severity},
        errno::Errno,
        fact::{Entrypoint, FileFact},
        text::inert,
    },
};
use monitor_common::probe::Probe;

pub(super) const PATTERN: Pattern = Pattern {
    id: "entrypoint-not-found",
    severity: Severity::Error,
    title: "The container's command does not exist in the image or is not on PATH",
    symptom: "`exec: \"server\": executable file not found in $PATH` or `stat /app/server: no such file or directory`; \
        the container stays in state `created`, `docker run` ends with 127.",
    evidence: "The runtime's init stage (PID 1) ends with a code other than 0 and never calls `execve`, or `execve` \
        returns ENOENT; the configured command is absent in the container's root, mounts considered.",
    look_alikes: "- The file is there, its loader or `#!` interpreter is not: `missing-interpreter`, `bad-shebang`.\n\
        - The file is there but may not be executed: `exec-not-permitted`.\n\
        - `docker exec` of a missing command ends an init stage that is not PID 1: the application is not affected, ignored.",
    remedy: "Correct ENTRYPOINT/CMD (or `command:`/`args:` in the pod), or copy the file to the path that they name.",
    limits: "A command on a tmpfs or another file system that exists only inside the running container is unknown.",
    needs: &[Need::Probe(Probe::Exit), Need::Probe(Probe::ExecFailed), Need::Entrypoint],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let Some(entrypoint) = case.entrypoint.get() else { return Vec::new() };
    attempts(case)
        .iter()
        .filter(|attempt| attempt.is_entrypoint && could_be_absent(attempt))
        .filter_map(|attempt| {
            // The file that birth looked for, or the one that was found missing when the execve failed.
            let FileFact::Absent { missing, .. } = attempt.file? else { return None };
            Some(finding(entrypoint, attempt, missing))
        })
        .collect()
}

fn could_be_absent(attempt: &Attempt<'_>) -> bool {
    match attempt.seen {
        Seen::Refused(_, failure) => matches!(failure.errno, Errno::ENOENT | Errno::ENOTDIR),
        Seen::Checked(..) | Seen::Past(_) => true,
    }
}

fn finding(entrypoint: &Entrypoint, attempt: &Attempt<'_>, missing: &str) -> Finding {
    let command = inert(&entrypoint.command).into_owned();
    let missing = inert(missing);
    let by_path = !entrypoint.command.contains('/');
    let mut evidence = attempt.evidence();
    evidence.push(config(format!("the container is told to run \"{command}\"")));
    let tried: Vec<_> = entrypoint.searched.iter().map(|path| inert(path)).collect();
    evidence.push(files(if by_path {
        format!("none of these exists: {}", tried.join(", "))
    } else {
        format!("{missing} does not exist in the container's root")
    }));
    let summary = if by_path {
        format!("the container's command \"{command}\" is in no directory of PATH")
    } else if missing == command {
        format!("the container's command {command} does not exist")
    } else {
        format!("the container's command {command} does not exist: {missing} is missing")
    };
    Finding {
        severity: Severity::Error,
        confidence: attempt.confidence(),
        remedy: format!(
            "# copy the program to where the command points (build stage name and path as yours)\n\
             COPY --from=build /out/app {target}\n\
             ENTRYPOINT [\"{target}\"]",
            target = if by_path { format!("/usr/local/bin/{command}") } else { command.clone() }
        ),
        subject: command,
        summary,
        evidence,
        at: attempt.at,
    }
}
