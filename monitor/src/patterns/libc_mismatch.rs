//! musl's loader ends a program that was built for glibc because of symbols that musl does not have.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    start::{ended, past, unseen_end},
    wording::{counted, files, go_build, kernel, some_of},
};
use crate::{
    case::{Case, LOADER_EXIT, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{File, UnresolvedSymbol},
        text::inert,
        time::BootNs,
    },
};

/// Symbols that the summary and the evidence name one by one.
const MAX_IN_SUMMARY: usize = 3;
const MAX_IN_EVIDENCE: usize = 12;

pub(super) const PATTERN: Pattern = Pattern {
    id: "libc-mismatch",
    severity: Severity::Error,
    title: "A program built for glibc meets musl, which lacks symbols that it needs",
    symptom: "`Error relocating /app/server: __fprintf_chk: symbol not found`, one line for each symbol, exit code 127.",
    evidence: "`execve` succeeds because a compatibility package has put musl at the path of glibc's loader; the process \
        exits with 127 within a second, no search for a library failed, and the Go runtime never starts in it. The files \
        decide: symbols that the program refers to are exported neither by musl nor by any library of the program. Of a \
        container that was dead before gomon looked: exit code 127 and the files (high).",
    look_alikes: "- A missing library prints the same `symbol not found` lines after its own: `missing-library`.\n\
        - An ordinary Go program with cgo works on musl's compatibility loader: no symbol is missing.\n\
        - Without a compatibility package the loader itself is missing: `missing-interpreter`.\n\
        - A shell that does not find a command also exits with 127: its own file lacks nothing.",
    remedy: "Build for musl (on Alpine, with `gcc musl-dev`), or without C libraries (`CGO_ENABLED=0`), or run on a glibc \
        image. A compatibility package cannot supply what musl does not have.",
    limits: "Symbols that are bound late (lazy binding) end the program later, with another exit code. A symbol that exists \
        in both and behaves differently shows in no file.",
    brought_about_by: &[],
    needs: &[
        Need::Probe(Probe::Open),
        Need::Probe(Probe::Exec),
        Need::Probe(Probe::Exit),
        Need::Entrypoint,
        Need::Birth,
    ],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let mut found: Vec<Finding> = case.processes().filter_map(|process| seen(case, process)).collect();
    if found.is_empty() {
        found.extend(unseen(case));
    }
    found
}

fn seen(case: &Case, process: &Process) -> Option<Finding> {
    let path = process.gave_up_before_main()?;
    let exit = process.exit.filter(|exit| exit.code == LOADER_EXIT)?;
    let lacks_a_library = process.libraries.values().any(|search| search.opened.is_none());
    let file = case.file(path).filter(|_| !lacks_a_library)?.present()?;
    let program = process.program.as_ref()?;
    let name = inert(&program.path);
    let evidence = vec![
        kernel(
            program.at,
            format!(
                "{name} was executed, no search for a library failed, and the Go runtime never started in it"
            ),
        ),
        ended(exit, &name),
    ];
    let found = finding(file, &program.path, Confidence::Certain, evidence, exit.at)?;
    let severity = if case.is_from_outside(process) { Severity::Warning } else { found.severity };
    Some(Finding { severity, ..found })
}

/// It was over before gomon looked.
fn unseen(case: &Case) -> Option<Finding> {
    let (at, state) = unseen_end(case)?;
    let is_loader_exit = state.exit_code == Some(i64::from(LOADER_EXIT));
    let file = case.entrypoint.get().filter(|_| is_loader_exit)?.file.get()?.present()?;
    let has_libraries = file.elf()?.libraries.get()?.missing.is_empty();
    if !has_libraries {
        return None;
    }
    finding(file, &file.path, Confidence::High, vec![past(state)], at)
}

fn finding(
    file: &File,
    program: &str,
    confidence: Confidence,
    mut evidence: Vec<Evidence>,
    at: BootNs,
) -> Option<Finding> {
    let elf = file.elf()?;
    let unresolved = elf.libraries.get()?.unresolved.as_slice();
    let first = unresolved.first()?;
    let mut symbols: Vec<&str> = unresolved.iter().map(|one| one.symbol.as_str()).collect();
    symbols.sort_unstable();
    symbols.dedup();
    let program = inert(program);
    let count = counted(u64::try_from(symbols.len()).unwrap_or(u64::MAX), "symbol", "symbols");
    let is_own = |one: &UnresolvedSymbol| one.wanted_by == file.resolved || one.wanted_by == file.path;
    let whose = if unresolved.iter().any(is_own) {
        "it is built for glibc".to_owned()
    } else {
        format!("its library {} is built for glibc", inert(&first.wanted_by))
    };
    evidence.push(files(format!(
        "{} refers to {count} that no library of the program defines: {}",
        inert(&first.wanted_by),
        some_of(&symbols, MAX_IN_EVIDENCE)
    )));
    evidence.extend(elf.interpreter.as_ref().and_then(|interpreter| {
        let loader = interpreter.file.get()?.present()?;
        Some(files(format!("its loader {} is {}: musl", inert(&interpreter.path), inert(&loader.resolved))))
    }));
    evidence.extend(go_build(&program, elf));
    let is_go = elf.go.get().is_some_and(Option::is_some);
    Some(Finding {
        severity: Severity::Error,
        confidence,
        subject: program.clone().into_owned(),
        summary: format!(
            "{program} cannot start: {whose} and refers to {count} that musl does not have: {}",
            some_of(&symbols, MAX_IN_SUMMARY)
        ),
        evidence,
        remedy: remedy(is_go).to_owned(),
        at,
    })
}

fn remedy(is_go: bool) -> &'static str {
    if is_go {
        "RUN CGO_ENABLED=0 go build -o /out/app .   # in the build stage\n\
         # or, if it needs C libraries, build it for musl\n\
         FROM golang:alpine AS build\nRUN apk add --no-cache gcc musl-dev\n\
         # or run it on glibc\nFROM debian:bookworm-slim"
    } else {
        "# run it on glibc, or install the package of it that is built for musl\nFROM debian:bookworm-slim"
    }
}
