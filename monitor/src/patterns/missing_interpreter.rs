//! The program exists, the loader that its `PT_INTERP` names does not.

use super::{
    Need, Pattern,
    start::{Attempt, attempts},
    wording::{files, go_build, libc, setting},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Finding, Severity},
        errno::Errno,
        fact::{Content, Elf, File, FileFact, LibcKind},
        text::inert,
    },
};
use monitor_common::probe::Probe;

pub(super) const PATTERN: Pattern = Pattern {
    id: "missing-interpreter",
    severity: Severity::Error,
    title: "The program is there, the ELF interpreter (dynamic loader) that it names is not",
    symptom: "`exec /app/server: no such file or directory`, exit code 1 (255 with recent runc), although the file is \
        in the image. From a shell: `/app/server: not found`, 127. From Go: `fork/exec /app/server: no such file or \
        directory`.",
    evidence: "`execve` returns ENOENT for a path that exists in the container's root and is an ELF file whose \
        `PT_INTERP` does not exist there. No `sched_process_exec` follows.",
    look_alikes: "- The file itself is missing: `entrypoint-not-found`.\n\
        - A script whose `#!` interpreter is missing: `bad-shebang`.\n\
        - A search along PATH (`env`, `xargs`, `nohup`) fails with ENOENT for each directory and then succeeds: ignored.\n\
        - A missing shared library lets `execve` succeed and ends with 127: `missing-library`.",
    remedy: "Build a static binary: `CGO_ENABLED=0 go build` without `-buildmode=pie`. Or use a base image with the C \
        library that the binary was linked against. `CGO_ENABLED=0 -buildmode=pie` still needs a loader; trust \
        `PT_INTERP` (`readelf -l`), not `ldd` and not the value of `CGO_ENABLED`.",
    limits: "Without a readable root file system gomon cannot tell it from `bad-shebang` and says so.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::ExecFailed), Need::Entrypoint],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    attempts(case)
        .iter()
        .filter(|attempt| attempt.refused_with(Errno::ENOENT))
        .filter_map(|attempt| {
            let file = attempt.file?.present()?;
            find(case, attempt, file)
        })
        .collect()
}

/// The file's own loader, or that of the interpreter which runs the script.
fn find(case: &Case, attempt: &Attempt<'_>, file: &File) -> Option<Finding> {
    match file.content.get()? {
        Content::Elf(elf) => missing(case, attempt, &attempt.path, elf),
        Content::Script(script) => {
            let runner = script.interpreter.file.get()?.present()?;
            missing(case, attempt, &inert(&runner.path), runner.elf()?)
        }
        Content::Empty | Content::ByteOrderMarkedScript | Content::Other { .. } => None,
    }
}

fn missing(case: &Case, attempt: &Attempt<'_>, program: &str, elf: &Elf) -> Option<Finding> {
    let interpreter = elf.interpreter.as_ref()?;
    let FileFact::Absent { missing, .. } = interpreter.file.get()? else { return None };
    let path = inert(&interpreter.path).into_owned();
    let mut evidence = attempt.evidence(case);
    if *program != attempt.path {
        evidence.push(files(format!("{} is a script that names {program} in its #! line", attempt.path)));
    }
    evidence.push(files(format!(
        "{program} exists; its PT_INTERP names {path}; {} does not exist",
        inert(missing)
    )));
    let offered = case.libc.get().map(|found| libc(found.as_ref()));
    if let Some(offered) = &offered {
        evidence.push(files(format!("the root file system has {offered}")));
    }
    evidence.extend(go_build(program, elf));
    let offered = offered.map_or_else(String::new, |offered| format!(" (the image has {offered})"));
    Some(Finding {
        severity: attempt.severity(),
        confidence: attempt.confidence(),
        summary: format!(
            "{program} cannot start: its ELF interpreter {path} does not exist in the container{offered}"
        ),
        remedy: remedy(case, elf, &path),
        subject: path,
        evidence,
        at: attempt.at,
    })
}

/// A change that fits this binary and this image.
fn remedy(case: &Case, elf: &Elf, interpreter: &str) -> String {
    let go = elf.go.get().and_then(Option::as_ref);
    let is_pie_without_cgo = go.is_some_and(|build| setting(build, "CGO_ENABLED") == Some("0"));
    if is_pie_without_cgo {
        return "# the binary is position independent without cgo: it needs a loader all the same\n\
            RUN CGO_ENABLED=0 go build -buildmode=exe -o /out/app ."
            .to_owned();
    }
    let wants_musl = interpreter.contains("ld-musl");
    let base = match (wants_musl, case.libc.get()) {
        (true, _) => "FROM alpine:3   # musl, what this binary was linked against",
        (false, Some(Some(found))) if found.kind == LibcKind::Musl => {
            "FROM debian:12-slim   # glibc, what this binary was linked against; this image has musl"
        }
        (false, _) => "FROM gcr.io/distroless/base-debian12   # glibc, what this binary was linked against",
    };
    if go.is_some() {
        format!(
            "# either link statically\nRUN CGO_ENABLED=0 go build -o /out/app .\n# or run on a base with its loader\n{base}"
        )
    } else {
        format!("# run it on a base that has {interpreter}\n{base}")
    }
}
