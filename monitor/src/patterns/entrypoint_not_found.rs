//! The command that the container was told to run does not exist.

use super::{
    Need, Pattern,
    start::{Attempt, Origin, Seen, attempts},
    wording::{config, files},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Finding, Severity},
        errno::Errno,
        fact::FileFact,
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
        - `docker exec` of a missing command ends an init stage that is not PID 1: the application is not affected, ignored.\n\
        - A program of the container looks for a helper that is not there: ignored, unless it is the command that an \
        init or a wrapper was given.\n\
        - The init stage fails for another reason (a sysctl, a mount): the command is there, ignored.",
    remedy: "Correct ENTRYPOINT/CMD (or `command:`/`args:` in the pod), or copy the file to the path that they name.",
    limits: "A command on a tmpfs or another file system that exists only inside the running container is unknown.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Exit), Need::Probe(Probe::ExecFailed), Need::Entrypoint],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let attempts = attempts(case);
    let own = attempts
        .iter()
        .filter(|attempt| attempt.origin == Origin::Start && could_be_absent(attempt))
        .filter_map(|attempt| own(case, attempt));
    own.chain(wrapped(case, &attempts)).collect()
}

fn could_be_absent(attempt: &Attempt<'_>) -> bool {
    match attempt.seen {
        Seen::Refused(_, failure) => matches!(failure.errno, Errno::ENOENT | Errno::ENOTDIR),
        Seen::Checked(..) | Seen::Past(_) => true,
    }
}

/// What is missing.
struct Absent<'a> {
    /// As the configuration names it.
    command: &'a str,
    /// The absolute paths that were tried.
    searched: Vec<&'a str>,
    /// The component that does not exist, or the target of a dangling link.
    missing: &'a str,
}

/// The runtime itself did not find it.
fn own(case: &Case, attempt: &Attempt<'_>) -> Option<Finding> {
    // The file that birth looked for, or the one that was found missing when the execve failed.
    let FileFact::Absent { missing, .. } = attempt.file? else { return None };
    let entrypoint = case.entrypoint.get()?;
    let searched = entrypoint.searched.iter().map(String::as_str).collect();
    Some(finding(case, attempt, &Absent { command: &entrypoint.command, searched, missing }))
}

/// An init or a wrapper (`docker run --init`, tini, env, nohup) did not find the command that it was given.
fn wrapped<'a>(case: &'a Case, attempts: &[Attempt<'a>]) -> Option<Finding> {
    let config = case.config.get()?;
    let of_last = attempts.last()?;
    let Seen::Refused(process, last) = of_last.seen else { return None };
    let failed: Vec<&Attempt<'_>> = attempts.iter().filter(|attempt| attempt.is_of(process)).collect();
    let command = config.args.iter().skip(1).find(|arg| **arg == last.path || **arg == last.argv0)?;
    let absent = |attempt: &&Attempt<'a>| match (attempt.seen, attempt.file) {
        (Seen::Refused(_, failure), Some(FileFact::Absent { missing, .. })) if could_be_absent(attempt) => {
            Some((failure.path.as_str(), missing.as_str()))
        }
        _ => None,
    };
    let all: Vec<(&str, &str)> = failed.iter().map(absent).collect::<Option<_>>()?;
    // A wrapper ends with its child's code, or is the process that failed; an application lives on.
    let code = process.exit.map(|exit| exit.shell_code()).filter(|code| *code != 0)?;
    let passes_on = case.init()?.exit.is_some_and(|exit| exit.shell_code() == code);
    let is_wrapped = of_last.origin == Origin::Inside && passes_on;
    let searched = all.iter().map(|(path, _)| *path).collect();
    let missing = all.last()?.1;
    is_wrapped.then(|| finding(case, of_last, &Absent { command, searched, missing }))
}

fn finding(case: &Case, attempt: &Attempt<'_>, absent: &Absent<'_>) -> Finding {
    let command = inert(absent.command).into_owned();
    let missing = inert(absent.missing);
    let by_path = !absent.command.contains('/');
    let path =
        absent.searched.first().map_or_else(|| command.clone(), |path| inert(path).replace("/./", "/"));
    let is_link = !by_path && !path.starts_with(&*missing);
    let mut evidence = attempt.evidence(case);
    evidence.push(config(format!("the container is told to run \"{command}\"")));
    let tried: Vec<_> = absent.searched.iter().map(|path| inert(path)).collect();
    evidence.push(files(if by_path {
        format!("none of these exists: {}", tried.join(", "))
    } else if is_link {
        format!(
            "{path} leads through a symbolic link to {missing}, which does not exist in the container's root"
        )
    } else {
        format!("{missing} does not exist in the container's root")
    }));
    let summary = if by_path {
        format!("the container's command \"{command}\" is in no directory of PATH")
    } else if is_link {
        format!("the container's command {command} does not exist: it is a link to {missing}")
    } else if missing == path {
        format!("the container's command {path} does not exist")
    } else {
        format!("the container's command {path} does not exist: {missing} is missing")
    };
    Finding {
        severity: attempt.severity(),
        confidence: attempt.confidence(),
        remedy: format!(
            "# copy the program to where the command points (build stage name and path as yours)\n\
             COPY --from=build /out/app {target}\n\
             ENTRYPOINT [\"{target}\"]",
            target = if by_path { format!("/usr/local/bin/{command}") } else { path }
        ),
        subject: command,
        summary,
        evidence,
        at: attempt.at,
    }
}
