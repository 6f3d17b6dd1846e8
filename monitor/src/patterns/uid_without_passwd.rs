//! The container's user has a number and no name. That is allowed, and some programs cannot live with it.

use monitor_common::{path::PathClass, probe::Probe};

use super::{
    Need, Pattern,
    wording::{config, counted, files, kernel, program},
};
use crate::{
    case::{Case, OpenSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{Config, Passwd},
        text::inert,
    },
};

pub(super) const PATTERN: Pattern = Pattern {
    id: "uid-without-passwd",
    severity: Severity::Info,
    title: "The container's UID has no entry in /etc/passwd",
    symptom: "`user: Current requires cgo or $USER set in environment`, `user: unknown userid 1001`, `user: lookup userid \
        1001: no such file or directory`; `whoami` and `id -un` fail. Many programs never ask.",
    evidence: "`process.user.uid` is not zero, and /etc/passwd of the container has no line with it, or does not exist \
        (info, high). A Go process opens /etc/passwd after its start, and the environment does not answer in its place: \
        warning, medium.",
    look_alikes: "- Root runs open the same file: UID 0 is never told.\n\
        - Pure Go takes the name from USER and the directory from HOME where the file does not help: info.\n\
        - A program that looks up somebody else, or passes over the error: the file is opened all the same, hence medium.\n\
        - The runtime itself reads the file before the program starts: ignored.",
    remedy: "Add the line, or set USER and HOME for a program in pure Go. The process keeps its UID either way: this is no \
        matter of privileges.",
    limits: "What the program asked for, and whether it cares, cannot be seen: the opens succeed.",
    brought_about_by: &[],
    needs: &[Need::Config, Need::Passwd, Need::Probe(Probe::Open)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

fn find(case: &Case) -> Option<Finding> {
    let (known, passwd) = (case.config.get()?, case.passwd.get()?);
    // What was read is about the configured user, or it says nothing.
    if known.uid == 0 || passwd.uid != known.uid || passwd.name.is_some() {
        return None;
    }
    let asked = case.processes().find_map(|process| asks(case, known, process));
    let uid = known.uid;
    let (severity, confidence, summary) = match asked {
        Some((process, _)) => (
            Severity::Warning,
            Confidence::Medium,
            format!("{} asks for a user's name, and its own UID {uid} has none", program(process)),
        ),
        None => {
            (Severity::Info, Confidence::High, format!("the container runs as UID {uid}, which has no name"))
        }
    };
    Some(Finding {
        severity,
        confidence,
        subject: format!("UID {uid}"),
        summary: format!("{summary} in /etc/passwd; the process keeps its UID"),
        evidence: evidence(known, passwd, asked),
        remedy: remedy(case, known, passwd),
        // A standing fact of this life of the container.
        at: case.appeared_at,
    })
}

/// A Go process that looked into the file, and that nothing else answers.
fn asks<'a>(case: &Case, known: &Config, process: &'a Process) -> Option<(&'a Process, &'a OpenSeen)> {
    // The runtime's own stages are Go too, and read the file for the container's user.
    let is_own = process.program.is_some() && !case.is_from_outside(process);
    process.go_started.filter(|_| is_own)?;
    let is_passwd = |open: &&OpenSeen| open.class == PathClass::UserDatabase && open.path == "/etc/passwd";
    let open = process.opens.iter().find(is_passwd)?;
    // HOME is there in any case: the runtime sets it.
    let has_user = known.env.get("USER").is_some_and(|user| !user.is_empty());
    (!has_user || asks_the_c_library(case, process)).then_some((process, open))
}

/// os/user asks the C library where the program is linked with one; USER and HOME do not count then.
fn asks_the_c_library(case: &Case, process: &Process) -> bool {
    let program = process.program.as_ref().and_then(|program| case.file(&program.interpreter));
    let elf = program.and_then(|file| file.present()?.elf());
    elf.is_some_and(|elf| elf.interpreter.is_some() && !elf.needed.is_empty())
}

fn evidence(known: &Config, passwd: &Passwd, asked: Option<(&Process, &OpenSeen)>) -> Vec<Evidence> {
    let mut all = Vec::new();
    all.extend(asked.map(|(process, open)| {
        let outcome = open.result.map_or_else(|errno| format!(" and got {errno}"), |_| String::new());
        kernel(open.at, format!("{} opened /etc/passwd after its start{outcome}", program(process)))
    }));
    all.push(config(format!("process.user is UID {}, GID {}", known.uid, known.gid)));
    all.push(files(if passwd.file_present {
        format!("/etc/passwd has {}, none with that UID", counted(passwd.entries, "entry", "entries"))
    } else {
        "/etc/passwd does not exist".to_owned()
    }));
    let user = known.env.get("USER").map_or_else(|| "not set".to_owned(), |user| inert(user).into_owned());
    all.push(config(format!("USER in the environment: {user}")));
    all
}

fn remedy(case: &Case, known: &Config, passwd: &Passwd) -> String {
    let line = format!("app:x:{}:{}::/tmp:/sbin/nologin", known.uid, known.gid);
    let has_libc = matches!(case.libc.get(), Some(Some(_)));
    let add = if passwd.file_present && has_libc {
        format!("# in the Dockerfile, as root\nRUN echo '{line}' >> /etc/passwd")
    } else {
        format!(
            "# in a build stage, for the image has no shell\nRUN echo '{line}' > /passwd\n\
            # in the last stage\nCOPY --from=build /passwd /etc/passwd"
        )
    };
    format!("{add}\n# or, for a program in pure Go\nENV USER=app HOME=/tmp")
}
