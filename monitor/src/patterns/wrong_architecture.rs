//! The program, or its loader, was built for another processor.

use super::{
    Need, Pattern,
    start::{Attempt, attempts},
    wording::{files, go_build, machine},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Confidence, Finding, Severity},
        errno::Errno,
        fact::{Content, Elf, File},
        text::inert,
    },
};
use monitor_common::probe::Probe;

pub(super) const PATTERN: Pattern = Pattern {
    id: "wrong-architecture",
    severity: Severity::Error,
    title: "The program was built for another processor architecture",
    symptom: "`exec /app/server: exec format error`, exit code 1 (255 with recent runc).",
    evidence: "`execve` returns ENOEXEC and the file is an ELF file whose `e_machine` is not the host's; or ELIBBAD, \
        and the loader that it names is for another machine.",
    look_alikes: "- A file that is no program at all (empty, truncated, no `#!`): `exec-format`.\n\
        - A foreign binary under a registered `binfmt_misc` emulator starts: no event, no verdict.\n\
        - A 386 binary runs on amd64.",
    remedy: "Build for the node: `GOARCH=amd64 go build`, `docker build --platform linux/amd64`, or publish a \
        multi-platform image.",
    limits: "A container that died before gomon came is judged by its file and exit code alone (confidence medium: an emulator may have run it).",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::ExecFailed), Need::Entrypoint],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    attempts(case).iter().filter_map(|attempt| find(case, attempt, attempt.file?.present()?)).collect()
}

fn find(case: &Case, attempt: &Attempt<'_>, file: &File) -> Option<Finding> {
    let program: (&str, &Elf) = match file.content.get()? {
        Content::Elf(elf) => (&attempt.path, elf),
        // A script for a native shell never meets ENOEXEC; one for a foreign interpreter does.
        Content::Script(script) => {
            let runner = script.interpreter.file.get()?.present()?;
            (&runner.path, runner.elf()?)
        }
        Content::Empty | Content::ByteOrderMarkedScript | Content::Other { .. } => return None,
    };
    let (path, elf) = program;
    if attempt.refused_with(Errno::ENOEXEC) && is_foreign(case, elf.machine) {
        return Some(finding(case, attempt, &inert(path), elf, elf.machine));
    }
    let interpreter = elf.interpreter.as_ref()?;
    let loader = interpreter.file.get()?.present()?.elf()?;
    let refused = attempt.errno().is_some_and(|errno| errno == Errno::ELIBBAD);
    (refused && is_foreign(case, loader.machine))
        .then(|| finding(case, attempt, &inert(&interpreter.path), elf, loader.machine))
}

/// Not the host's, and not its 32-bit sibling.
fn is_foreign(case: &Case, machine: u16) -> bool {
    const NATIVE_32: [(u16, u16); 2] = [(62, 3), (183, 40)];
    let host = case.host.machine;
    host != 0 && machine != host && !NATIVE_32.contains(&(host, machine))
}

fn finding(case: &Case, attempt: &Attempt<'_>, path: &str, elf: &Elf, found: u16) -> Finding {
    let (found, host) = (machine(found), machine(case.host.machine));
    let mut evidence = attempt.evidence(case);
    if path != attempt.path {
        evidence.push(files(format!("{} needs {path} to run", attempt.path)));
    }
    evidence.push(files(format!("{path} is an ELF file for {found}; this host is {host}")));
    evidence.extend(go_build(&attempt.path, elf));
    Finding {
        severity: attempt.severity(),
        // An emulator may have run it: only the kernel's refusal proves the contrary.
        confidence: if attempt.errno().is_some() { Confidence::Certain } else { Confidence::Medium },
        subject: format!("{path}: {found} on {host}"),
        summary: format!("{path} is built for {found}, this host is {host}"),
        remedy: format!(
            "RUN GOOS=linux GOARCH={host} go build -o /out/app .\n# or build the whole image for this node\n\
             docker build --platform linux/{host} ."
        ),
        evidence,
        at: attempt.at,
    }
}
