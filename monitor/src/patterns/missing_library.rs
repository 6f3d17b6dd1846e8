//! The dynamic loader ends the program because a shared library is nowhere to be found.

use super::{
    Need, Pattern,
    start::{ended, past, unseen_end},
    wording::{self, counted, files, kernel},
};
use crate::{
    case::{Case, ExitSeen, LOADER_EXIT, LibrarySearch, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{Libraries, MissingLibrary, RuntimeState},
        text::inert,
        time::MS,
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
        - A library that a running program loads with dlopen: no exit, or a name that its dependencies do not list.\n\
        - A missing loader: `missing-interpreter`, no exec at all.\n\
        - A shell that does not find a command also exits with 127: no library is missing then.\n\
        - What LD_PRELOAD names and is not there is passed over by the loader: ignored.",
    remedy: "Install or copy the library (and what it needs in turn), or link statically: `CGO_ENABLED=0`.",
    limits: "A library that is there but damaged opens without an error and is not named.",
    brought_about_by: &[],
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
    let elf = file.elf()?;
    let missing = elf.libraries.get()?.missing.first()?;
    let (program, library) = (inert(&file.path), inert(&missing.name));
    Some(Finding {
        severity: Severity::Error,
        confidence: Confidence::High,
        summary: format!(
            "{program} cannot start: shared library {library}{} is in no search path",
            wanted(missing, &program)
        ),
        subject: library.clone().into_owned(),
        evidence: vec![past(state), listed(missing)],
        remedy: install(case, &library, elf.go.get().is_some_and(Option::is_some)),
        at,
    })
}

fn seen(case: &Case) -> Vec<Finding> {
    case.processes()
        .filter(|process| process.program.is_some() && process.go_started.is_none())
        .filter_map(|process| {
            let exit = process.exit.filter(|exit| exit.code == LOADER_EXIT && exit.signal.is_none())?;
            let (name, search) = unresolved(case, process, exit)?;
            Some(finding(case, process, exit, name, search))
        })
        .collect()
}

/// The library that ended the program. The loader passes over what `LD_PRELOAD` names and is not there, a program over a
/// plugin: only a name of the program's own closure counts, or without it the very last search.
fn unresolved<'a>(case: &Case, process: &'a Process, exit: ExitSeen) -> Option<(&'a str, &'a LibrarySearch)> {
    let last = process.libraries.values().map(|search| search.last_at).max();
    let closure = closure(case, process);
    // Its own dependency list decides, if it can be had.
    if closure.is_none()
        && process.program.as_ref().is_some_and(|program| case.is_awaited(&program.interpreter))
    {
        return None;
    }
    let is_needed = |name: &str, search: &LibrarySearch| match closure {
        Some(closure) => is_named(closure, name),
        None => Some(search.last_at) == last,
    };
    process
        .libraries
        .iter()
        .filter(|(_, search)| search.opened.is_none() && exit.at.since(search.last_at) <= LOADER_GIVES_UP_NS)
        .filter(|(name, search)| is_needed(name, search))
        .max_by_key(|(_, search)| search.last_at)
        .map(|(name, search)| (name.as_str(), search))
}

fn is_named(closure: &Libraries, name: &str) -> bool {
    closure.found.contains_key(name)
        || closure.missing.iter().any(|missing| missing.name == name)
        || closure.rejected.iter().any(|rejected| rejected.name == name)
}

/// The dependencies of what the kernel mapped: for a script those of its interpreter.
fn closure<'a>(case: &'a Case, process: &Process) -> Option<&'a Libraries> {
    let program = process.program.as_ref()?;
    case.file(&program.interpreter)?.present()?.elf()?.libraries.get()
}

fn finding(case: &Case, process: &Process, exit: ExitSeen, name: &str, search: &LibrarySearch) -> Finding {
    let program = process.program.as_ref().map_or("the program", |program| program.path.as_str());
    let program = inert(program);
    let closure = closure(case, process);
    let missing = closure.and_then(|closure| closure.missing.iter().find(|missing| missing.name == name));
    let rejected = closure.and_then(|closure| closure.rejected.iter().find(|rejected| rejected.name == name));
    let library = inert(name);
    let tried = counted(search.failed, "path", "paths");
    let mut evidence =
        vec![kernel(search.first_at, format!("{program} tried {tried} for {library}, none could be opened"))];
    if let Some((path, errno)) = &search.refused {
        evidence.push(kernel(search.last_at, format!("open(\"{}\") failed with {errno}", inert(path))));
    }
    evidence.push(ended(exit, &program));
    evidence.extend(missing.map(listed));
    evidence.extend(rejected.map(|rejected| {
        files(format!("{} is passed over: {}", inert(&rejected.path), inert(&rejected.reason)))
    }));
    let wanted = missing.map_or_else(String::new, |missing| wanted(missing, &program));
    let problem = match (rejected, &search.refused) {
        (Some(rejected), _) => {
            format!("is at {} and cannot be used: {}", inert(&rejected.path), inert(&rejected.reason))
        }
        (None, Some((path, errno))) => format!("cannot be opened: {} {errno}", inert(path)),
        (None, None) => "is in no search path".to_owned(),
    };
    let unusable = rejected.map(|rejected| &rejected.path).or(search.refused.as_ref().map(|(path, _)| path));
    Finding {
        severity: if case.is_from_outside(process) { Severity::Warning } else { Severity::Error },
        // Without the file's own word a program that gives up with 127 after a failed plugin would look the same.
        confidence: if closure.is_some() { Confidence::Certain } else { Confidence::High },
        subject: library.clone().into_owned(),
        summary: format!("{program} cannot start: shared library {library}{wanted} {problem}"),
        remedy: match unusable {
            Some(path) => format!(
                "# put a library there that the container's user may read\nRUN chmod a+r {}",
                inert(path)
            ),
            None => remedy(case, process, &library),
        },
        evidence,
        at: exit.at,
    }
}

/// What the file that wants it says, as evidence.
fn listed(missing: &MissingLibrary) -> Evidence {
    files(format!(
        "{} needs {} (DT_NEEDED); searched: {}",
        inert(&missing.wanted_by),
        inert(&missing.name),
        inert(&missing.searched.join(", "))
    ))
}

/// Who wants it, where that is not the program itself.
fn wanted(missing: &MissingLibrary, program: &str) -> String {
    let wanted_by = inert(&missing.wanted_by);
    if wanted_by == program { String::new() } else { format!(", wanted by {wanted_by},") }
}

fn remedy(case: &Case, process: &Process, library: &str) -> String {
    let program = process.program.as_ref().and_then(|program| case.file(&program.interpreter));
    let go = program.and_then(|file| file.present()?.elf()?.go.get()?.as_ref());
    install(case, library, go.is_some())
}

fn install(case: &Case, library: &str, is_go: bool) -> String {
    let install = wording::install(&case.libc, &format!("<the package that has {library}>"));
    if is_go {
        format!("{install}\n# or link without C libraries\nRUN CGO_ENABLED=0 go build -o /out/app .")
    } else {
        install
    }
}
