//! Where in a container's own C library its program calls dlopen(3), if it can: a Go program built with cgo, linked
//! dynamically, that it or its libraries ask the C library for it. Looks only; whoever asked sets the breakpoints.

use std::fs::File as OsFile;

use super::{
    code::{self, CodeError},
    elf::{self, FunctionError},
    error_text,
    found::{Lookup, LookupError},
    root::ContainerRoot,
};
use crate::model::fact::{Entrypoint, FileFact, Interpreter, Known, Libraries};

/// What leads to a call of dlopen: its own names, and how a name is looked up that no symbol gives away.
const ASKED_FOR: [&str; 4] = ["dlopen", "dlmopen", "dlsym", "dlvsym"];
/// glibc's dlopen is in the first of them; before 2.34 in the second, which only programs have that want it.
const GLIBC: [&str; 2] = ["libc.so.6", "libdl.so.2"];
/// `ELFCLASS64`: 32-bit programs pass their arguments in another way.
const CLASS: u8 = 64;
/// `e_machine` of the programs whose registers the kernel programs understand.
const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// The places where a C library loads libraries on demand.
#[derive(Debug)]
pub struct DlopenCalls {
    /// The library, as it was opened inside the container's root. It may be a file of the host that is mounted there:
    /// then processes of the host execute it too.
    pub library: OsFile,
    pub functions: Vec<DlopenFunction>,
}

/// dlopen(3) or dlmopen(3), in one version. All offsets are of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DlopenFunction {
    /// It is dlmopen: there is an argument before the name.
    pub has_namespace: bool,
    pub first_instruction: u64,
    /// The instructions by which it returns.
    pub returns: Vec<u64>,
}

/// Sees to it that failing calls are seen from now on; the answer is the fact.
pub type WatchDlopen<'w> = &'w dyn Fn(DlopenCalls) -> Known<bool>;

/// Why it is not known where a program calls dlopen.
#[derive(Debug, thiserror::Error)]
enum DlopenError {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("{path} of the container: {source}")]
    Symbols { path: String, source: FunctionError },
    #[error("{function} in {path} of the container: {source}")]
    Code { function: &'static str, path: String, source: CodeError },
    #[error("gomon looks into 64-bit programs of its own machine only")]
    Architecture,
    #[error("its C library is none that gomon knows")]
    NoLibrary,
    #[error("{0}")]
    Unknown(String),
}

/// Whether failing calls of dlopen are seen of the program that a container starts with.
pub(super) fn watched(
    root: &ContainerRoot<'_>,
    entrypoint: &Known<Entrypoint>,
    watch: WatchDlopen<'_>,
) -> Known<bool> {
    match find(root, entrypoint) {
        Ok(Some(calls)) => watch(calls),
        Ok(None) => Known::Is(false),
        Err(error) => Known::unknown(error_text(&error)),
    }
}

/// `None`: the program makes no such call.
fn find(
    root: &ContainerRoot<'_>,
    entrypoint: &Known<Entrypoint>,
) -> Result<Option<DlopenCalls>, DlopenError> {
    // Where nothing starts, or a script, there is no Go program that could be told by its file.
    let Some(file) = known(&known(entrypoint)?.file)?.present() else { return Ok(None) };
    known(&file.content)?;
    let Some(program) = file.elf() else { return Ok(None) };
    let Some(interpreter) = &program.interpreter else { return Ok(None) };
    if program.needed.is_empty() || known(&program.go)?.is_none() || is_absent(interpreter) {
        return Ok(None);
    }
    if (program.class, program.machine) != (CLASS, MACHINE) {
        return Err(DlopenError::Architecture);
    }
    let libraries = known(&program.libraries)?;
    // Where that cannot be told, it may.
    if !asks(root, &file.resolved, libraries).unwrap_or(true) {
        return Ok(None);
    }
    for path in candidates(interpreter, libraries)? {
        let found = calls(root, &path)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn known<T>(fact: &Known<T>) -> Result<&T, DlopenError> {
    match fact {
        Known::Is(value) => Ok(value),
        Known::Unknown(why) => Err(DlopenError::Unknown(why.clone())),
    }
}

/// The kernel will refuse the program.
fn is_absent(interpreter: &Interpreter) -> bool {
    matches!(*interpreter.file, Known::Is(FileFact::Absent { .. }))
}

/// The program, or a library that is loaded with it, asks for what leads to dlopen. Modules that the C library loads by
/// itself, for names of users and hosts, are not among them.
fn asks(root: &ContainerRoot<'_>, program: &str, libraries: &Libraries) -> Result<bool, DlopenError> {
    for path in std::iter::once(program).chain(libraries.found.values().map(String::as_str)) {
        let Some((file, size_bytes)) = open(root, path)? else { continue };
        let asked = elf::asks_for(file, size_bytes, &ASKED_FOR);
        if asked.map_err(|source| DlopenError::Symbols { path: path.to_owned(), source })? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The paths of the files that may be the program's dlopen; none where it will not start.
fn candidates(interpreter: &Interpreter, libraries: &Libraries) -> Result<Vec<String>, DlopenError> {
    if let Some(loader) = known(&interpreter.file)?.present()
        && loader.resolved.rsplit('/').next().is_some_and(|name| name.starts_with("ld-musl-"))
    {
        // musl's loader is its C library.
        return Ok(vec![loader.resolved.clone()]);
    }
    let found: Vec<String> = GLIBC.iter().filter_map(|name| libraries.found.get(*name).cloned()).collect();
    let is_missing = libraries.missing.iter().any(|missing| GLIBC.contains(&missing.name.as_str()));
    if found.is_empty() && !is_missing { Err(DlopenError::NoLibrary) } else { Ok(found) }
}

/// The calls in one library; `None` where it defines no dlopen.
fn calls(root: &ContainerRoot<'_>, path: &str) -> Result<Option<DlopenCalls>, DlopenError> {
    let Some((library, size_bytes)) = open(root, path)? else { return Ok(None) };
    let again = library.try_clone().map_err(|source| LookupError::Io { path: path.to_owned(), source })?;
    let functions = elf::functions(again, size_bytes, &["dlopen", "dlmopen"])
        .map_err(|source| DlopenError::Symbols { path: path.to_owned(), source })?;
    if !functions.iter().any(|function| function.name == "dlopen") {
        return Ok(None);
    }
    let functions = functions.into_iter().map(|elf::Function { name, offset, code }| {
        let returns = code::returns(MACHINE, &code);
        let returns =
            returns.map_err(|source| DlopenError::Code { function: name, path: path.to_owned(), source })?;
        Ok(DlopenFunction {
            has_namespace: name == "dlmopen",
            first_instruction: offset,
            returns: returns.into_iter().map(|at| offset.saturating_add(at)).collect(),
        })
    });
    let functions: Result<Vec<_>, DlopenError> = functions.collect();
    Ok(Some(DlopenCalls { library, functions: functions? }))
}

/// A file of the container and its size; `None` where it is not there.
fn open(root: &ContainerRoot<'_>, path: &str) -> Result<Option<(OsFile, u64)>, DlopenError> {
    match root.look(path)? {
        Lookup::Absent { .. } => Ok(None),
        Lookup::Found(found) => Ok(Some((found.open()?, found.size_bytes))),
    }
}

#[cfg(test)]
mod tests;
