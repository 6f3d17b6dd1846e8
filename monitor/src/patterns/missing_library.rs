//! The dynamic loader ends the program because a shared library is nowhere to be found.

use super::{
    Need, Pattern,
    start::{ended, past, unseen_end},
    wording::{files, kernel},
};
use crate::{
    case::{Case, ExitSeen, LOADER_EXIT, LibrarySearch, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        errno::Errno,
        fact::{Known, LibcKind, MissingLibrary, RuntimeState},
        text::inert,
        time::{BootNs, MS},
    },
};
use monitor_common::probe::Probe;

/// From the last failed search to the exit: the loader only prints its message.
const LOADER_GIVES_UP_NS: u64 = 1000 * MS;

pub(super) const PATTERN: Pattern = Pattern {
    id: "missing-library",
    severity: Severity::Error,
    title: "A shared library that the program needs is in no search path",
    symptom: "glibc: `error while loading shared libraries: libfoo.so: cannot open shared object file`; musl: `Error \
        loading shared library libfoo.so: No such file or directory (needed by /app/server)`. Exit code 127.",
    evidence: "`execve` succeeds; all opens of one library name fail; the process exits with 127 within a second and the \
        Go runtime never starts in it. The closure of DT_NEEDED over the container's root confirms the name and says who \
        wants it. Of a container that was dead before gomon looked: exit code 127 and that closure (high).",
    look_alikes: "- With LD_LIBRARY_PATH a healthy start fails to open dozens of candidates before each success: a name \
        that was found in the end is ignored.\n\
        - A library that a running program loads with dlopen: no exit.\n\
        - A missing loader: `missing-interpreter`, no exec at all.\n\
        - A shell that does not find a command also exits with 127: no library is missing then.",
    remedy: "Install or copy the library (and what it needs in turn), or link statically: `CGO_ENABLED=0`.",
    limits: "A library that is there but damaged opens without an error and is not named.",
    needs: &[Need::Probe(Probe::Open), Need::Probe(Probe::Exec), Need::Probe(Probe::Exit), Need::Birth],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let mut found = seen(case);
    if found.is_empty() {
        found.extend(unseen(case));
    }
    found
}

/// It was over before gomon looked: its own dependency list and the loaders' exit code have to do.
fn unseen(case: &Case) -> Option<Finding> {
    let is_loader_exit = |state: &RuntimeState| state.exit_code == Some(i64::from(LOADER_EXIT));
    let (at, state) = unseen_end(case).filter(|(_, state)| is_loader_exit(state))?;
    let file = case.entrypoint.get()?.file.get()?.present()?;
    let missing = file.elf()?.libraries.get()?.missing.first()?;
    let program = inert(&file.path);
    Some(Finding {
        confidence: Confidence::High,
        ..named(case, &program, &missing.name, Some(missing), vec![past(state)], at)
    })
}

fn seen(case: &Case) -> Vec<Finding> {
    case.processes()
        .filter(|process| process.program.is_some() && process.go_started.is_none())
        .filter_map(|process| {
            let exit = process.exit.filter(|exit| exit.code == LOADER_EXIT && exit.signal.is_none())?;
            let unresolved = |search: &&LibrarySearch| {
                search.opened.is_none() && exit.at.since(search.last_at) <= LOADER_GIVES_UP_NS
            };
            let (name, search) = process
                .libraries
                .iter()
                .filter(|(_, search)| unresolved(search))
                .max_by_key(|(_, search)| search.last_at)?;
            Some(finding(case, process, exit, name, search))
        })
        .collect()
}

fn finding(case: &Case, process: &Process, exit: ExitSeen, name: &str, search: &LibrarySearch) -> Finding {
    let program = process.program.as_ref().map_or("the program", |program| program.path.as_str());
    let program = inert(program);
    let library = inert(name);
    let mut evidence = vec![kernel(
        search.first_at,
        format!("{program} tried {} paths for {library}, none could be opened", search.failed),
    )];
    for (path, errno) in search.candidates.iter().filter(|(_, errno)| *errno != Errno::ENOENT) {
        evidence.push(kernel(search.last_at, format!("open(\"{}\") failed with {errno}", inert(path))));
    }
    evidence.push(ended(exit, &program));
    named(case, &program, name, confirmed(case, process, name), evidence, exit.at)
}

/// The finding; `missing` is the file's own word for it.
fn named(
    case: &Case,
    program: &str,
    name: &str,
    missing: Option<&MissingLibrary>,
    mut evidence: Vec<Evidence>,
    at: BootNs,
) -> Finding {
    let wanted_by = missing.map_or(program.into(), |missing| inert(&missing.wanted_by));
    let library = inert(name);
    if let Some(missing) = missing {
        evidence.push(files(format!(
            "{wanted_by} needs {library} (DT_NEEDED); searched: {}",
            inert(&missing.searched.join(", "))
        )));
    }
    Finding {
        severity: Severity::Error,
        // Without the file's own word a program that gives up with 127 after a failed plugin would look the same.
        confidence: if missing.is_some() { Confidence::Certain } else { Confidence::High },
        subject: library.clone().into_owned(),
        summary: format!(
            "{program} cannot start: shared library {library}, wanted by {wanted_by}, is in no search path"
        ),
        remedy: remedy(case, &library),
        evidence,
        at,
    }
}

/// The file's own dependency list names the library as missing.
fn confirmed<'a>(case: &'a Case, process: &Process, name: &str) -> Option<&'a MissingLibrary> {
    let program = process.program.as_ref()?;
    let elf = case.file(&program.path)?.present()?.elf()?;
    let Known::Is(libraries) = &elf.libraries else { return None };
    libraries.missing.iter().find(|missing| missing.name == name)
}

fn remedy(case: &Case, library: &str) -> String {
    let is_musl = matches!(case.libc.get(), Some(Some(libc)) if libc.kind == LibcKind::Musl);
    let install = if is_musl {
        format!("RUN apk add --no-cache <the package that has {library}>")
    } else {
        format!(
            "RUN apt-get update && apt-get install -y --no-install-recommends <the package that has {library}>"
        )
    };
    format!("{install}\n# or link without C libraries\nRUN CGO_ENABLED=0 go build -o /out/app .")
}
