//! Sentences that several patterns say.

use std::fmt::Write as _;

use crate::{
    case::Process,
    model::{
        diagnosis::{Evidence, Source},
        fact::{Elf, GoBuild, Known, Libc, LibcKind},
        text::inert,
        time::BootNs,
    },
};

/// A kernel event as evidence.
pub(super) fn kernel(at: BootNs, fact: impl Into<String>) -> Evidence {
    Evidence { at: Some(at), source: Source::Kernel, fact: fact.into() }
}

/// What procfs or cgroupfs showed at that moment, as evidence.
pub(super) fn procfs(at: BootNs, fact: impl Into<String>) -> Evidence {
    Evidence { at: Some(at), source: Source::Procfs, fact: fact.into() }
}

/// A finding in the container's files as evidence.
pub(super) fn files(fact: impl Into<String>) -> Evidence {
    Evidence { at: None, source: Source::Files, fact: fact.into() }
}

/// A line of the container's configuration as evidence.
pub(super) fn config(fact: impl Into<String>) -> Evidence {
    Evidence { at: None, source: Source::Config, fact: fact.into() }
}

/// `e_machine` in the words of GOARCH where Go has one, elf(5) otherwise.
pub(super) fn machine(machine: u16) -> String {
    match machine {
        3 => "386".to_owned(),
        8 => "mips".to_owned(),
        20 => "ppc".to_owned(),
        21 => "ppc64".to_owned(),
        22 => "s390x".to_owned(),
        40 => "arm".to_owned(),
        62 => "amd64".to_owned(),
        183 => "arm64".to_owned(),
        243 => "riscv64".to_owned(),
        258 => "loong64".to_owned(),
        other => format!("e_machine {other}"),
    }
}

/// The container's C library in a few words.
pub(super) fn libc(libc: Option<&Libc>) -> String {
    let Some(libc) = libc else { return "no C library".to_owned() };
    let name = match libc.kind {
        LibcKind::Glibc => "glibc",
        LibcKind::Musl => "musl",
    };
    match &libc.version {
        Some(version) => format!("{name} {}", inert(version)),
        None => name.to_owned(),
    }
}

/// How the Go binary was built, as evidence; `None` for a file that is no Go program.
pub(super) fn go_build(path: &str, elf: &Elf) -> Option<Evidence> {
    let build = elf.go.get()?.as_ref()?;
    let mut fact = format!("{path} was built with {}", inert(&build.version));
    for key in ["CGO_ENABLED", "-buildmode", "GOARCH", "-ldflags"] {
        if let Some(value) = setting(build, key) {
            // Writing to a String cannot fail.
            let _ = write!(fact, " {key}={}", inert(value));
        }
    }
    Some(files(fact))
}

/// A build setting of `go version -m`.
pub(super) fn setting<'a>(build: &'a GoBuild, key: &str) -> Option<&'a str> {
    build.settings.get(key).map(String::as_str)
}

/// Bytes as people write memory sizes: whole MiB from 10 MiB on, else KiB.
pub(super) fn bytes(count: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    if count >= 10 * MIB { format!("{} MiB", count / MIB) } else { format!("{} KiB", count / KIB) }
}

/// Nanoseconds as seconds with one digit.
pub(super) fn seconds(ns: u64) -> String {
    let tenths = ns / 100_000_000;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// Nanoseconds as milliseconds, or as seconds from one on.
pub(super) fn brief(ns: u64) -> String {
    match ns {
        ..10_000_000 => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
        10_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => seconds(ns),
    }
}

/// A number with its noun: `1 path`, `3 paths`.
pub(super) fn counted(count: impl Into<u64>, one: &str, many: &str) -> String {
    match count.into() {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// The first few of many names, joined with commas, and how many more there are. The names become inert.
pub(super) fn some_of(names: &[&str], most: usize) -> String {
    let first = names.iter().take(most).map(|name| inert(name)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The program that a process runs, or its name where nobody saw it start.
pub(super) fn program(process: &Process) -> String {
    let program = process.program.as_ref().map_or(&*process.comm, |program| program.path.as_str());
    inert(program).into_owned()
}

/// The line of a Dockerfile that installs a package into an image of this C library.
pub(super) fn install(libc: &Known<Option<Libc>>, package: &str) -> String {
    match libc.get() {
        Some(Some(libc)) if libc.kind == LibcKind::Musl => format!("RUN apk add --no-cache {package}"),
        Some(_) | None => {
            format!("RUN apt-get update && apt-get install -y --no-install-recommends {package}")
        }
    }
}
