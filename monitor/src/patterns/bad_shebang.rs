//! A script whose `#!` line names an interpreter that is not there; a carriage return is the usual reason.

use super::{
    Need, Pattern,
    start::{Attempt, attempts},
    wording::{files, libc},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Finding, Severity},
        errno::Errno,
        fact::{Content, FileFact, LibcKind, Script},
        text::inert,
    },
};
use monitor_common::probe::Probe;

pub(super) const PATTERN: Pattern = Pattern {
    id: "bad-shebang",
    severity: Severity::Error,
    title: "The script's interpreter does not exist, or its #! line ends in a carriage return",
    symptom: "`exec /app/entrypoint.sh: no such file or directory` although the script is there, exit code 1 (255 with \
        recent runc). From a shell: `not found`, 127.",
    evidence: "`execve` returns ENOENT for a file that starts with `#!` and whose interpreter is absent in the \
        container's root. With CR LF line ends the kernel looks for `/bin/sh\\r`.",
    look_alikes: "- An ELF program whose loader is missing: `missing-interpreter`, the same errno.\n\
        - A script without `#!`: ENOEXEC, `exec-format`.\n\
        - A healthy script is reported as running under its own path.",
    remedy: "Save the script with LF line ends (`.gitattributes`: `*.sh text eol=lf`), or name an interpreter that the \
        image has, or start the Go binary directly.",
    limits: "`#!/usr/bin/env NAME` finds its interpreter later, in user space: a missing NAME ends with 127.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::ExecFailed), Need::Entrypoint],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    attempts(case)
        .iter()
        .filter(|attempt| attempt.refused_with(Errno::ENOENT))
        .filter_map(|attempt| match attempt.file?.present()?.content.get()? {
            Content::Script(script) => find(case, attempt, script),
            Content::Elf(_) | Content::Empty | Content::ByteOrderMarkedScript | Content::Other { .. } => None,
        })
        .collect()
}

fn find(case: &Case, attempt: &Attempt<'_>, script: &Script) -> Option<Finding> {
    let FileFact::Absent { missing, .. } = script.interpreter.file.get()? else { return None };
    let path = &attempt.path;
    let named = inert(&script.interpreter.path).into_owned();
    let is_carriage_return = script.crlf && script.exists_without_cr;
    let mut evidence = attempt.evidence(case);
    evidence.push(files(format!("{path} starts with #!{named}; {} does not exist", inert(missing))));
    if is_carriage_return {
        evidence
            .push(files("without the carriage return the interpreter exists: the file has CR LF line ends"));
    } else if let Some(found) = case.libc.get() {
        evidence.push(files(format!("the root file system has {}", libc(found.as_ref()))));
    }
    let (summary, remedy) = if is_carriage_return {
        (
            format!(
                "{path} cannot start: its #! line ends in a carriage return, so the kernel looks for \"{named}\""
            ),
            format!("RUN sed -i 's/\\r$//' {path}\n# and keep it so, in .gitattributes\n*.sh text eol=lf"),
        )
    } else {
        (
            format!("{path} cannot start: its interpreter {named} does not exist in the container"),
            remedy(case, path, &named),
        )
    };
    Some(Finding {
        severity: attempt.severity(),
        confidence: attempt.confidence(),
        subject: format!("{path}: {named}"),
        summary,
        evidence,
        remedy,
        at: attempt.at,
    })
}

/// Installs the interpreter where the image has a package manager, else does without the script.
fn remedy(case: &Case, path: &str, interpreter: &str) -> String {
    let name = interpreter.rsplit('/').next().unwrap_or(interpreter);
    let without = "# or start the program without a script\nENTRYPOINT [\"/app/server\"]";
    let Some(Some(found)) = case.libc.get() else { return without.replace("# or start", "# start") };
    // The others come with every base image, or have no package of their name.
    let is_package = matches!(name, "bash" | "zsh" | "perl" | "python3" | "ruby");
    let first = match (is_package, found.kind) {
        (true, LibcKind::Musl) => format!("RUN apk add --no-cache {name}"),
        (true, LibcKind::Glibc) => {
            format!("RUN apt-get update && apt-get install -y --no-install-recommends {name}")
        }
        (false, _) => {
            format!("# name an interpreter that the image has\nRUN sed -i '1s|.*|#!/bin/sh|' {path}")
        }
    };
    format!("{first}\n{without}")
}
