//! The dynamic loader ends the program because the container's C library lacks a symbol version that it needs.

use std::collections::BTreeMap;

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    start::{ended, past, unseen_end},
    wording::{counted, files, go_build, kernel, some_of},
};
use crate::{
    case::{Case, ExitSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{File, LibcKind, UnmetVersion},
        text::inert,
        time::BootNs,
    },
};

/// The exit code of glibc's loader when a symbol version is missing.
const LOADER_EXIT: i32 = 1;
/// Which Debian has which glibc: the first that is new enough runs the program.
const DEBIAN: [(u32, &str); 4] = [(28, "buster"), (31, "bullseye"), (36, "bookworm"), (41, "trixie")];
/// Versions that are named one by one.
const MAX_NAMED: usize = 6;

pub(super) const PATTERN: Pattern = Pattern {
    id: "glibc-too-old",
    severity: Severity::Error,
    title: "The C library of the image is older than the program needs",
    symptom: "``/app/server: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by \
        /app/server)``, exit code 1.",
    evidence: "`execve` succeeds, the loader opens the library, and the process exits with 1 within a second without the \
        Go runtime having started. The files decide: a version that the program or one of its libraries needs (verneed) is \
        not among those that the library defines (verdef). Of a container that was dead before gomon looked: exit code 1 \
        and the files (high).",
    look_alikes: "- A program that exits with 1 by itself: the Go runtime had started, and the files lack nothing.\n\
        - A library that is not there at all: `missing-library`, exit code 127.\n\
        - musl ignores symbol versions: `libc-mismatch` if a symbol itself is missing.\n\
        - A version that is only wanted weakly costs a warning of the loader: ignored.",
    remedy: "Build without C libraries (`CGO_ENABLED=0`), or run on an image whose glibc is new enough, or build on the \
        oldest image that it must run on. The version that counts is that of the build stage.",
    limits: "A version of a library that a running program loads with dlopen shows as `dlopen-failed`.",
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

/// The loader opened the library that lacks a version, and gave up.
fn seen(case: &Case, process: &Process) -> Option<Finding> {
    let path = process.gave_up_before_main()?;
    let exit = process.exit.filter(|exit| exit.code == LOADER_EXIT)?;
    let file = case.file(path)?.present()?;
    let lack = Lack::of(case, file)?;
    let opened = process.libraries.get(&lack.worst.library)?.opened.as_ref()?;
    let program = process.program.as_ref()?;
    let first = kernel(
        program.at,
        format!(
            "{} was executed, opened {}, and the Go runtime never started in it",
            inert(&program.path),
            inert(opened)
        ),
    );
    let is_from_outside = case.is_from_outside(process);
    Some(Finding {
        severity: if is_from_outside { Severity::Warning } else { Severity::Error },
        ..lack.finding(&program.path, Confidence::Certain, end(first, exit, &program.path), exit.at)
    })
}

fn end(first: Evidence, exit: ExitSeen, program: &str) -> Vec<Evidence> {
    vec![first, ended(exit, &inert(program))]
}

/// It was over before gomon looked.
fn unseen(case: &Case) -> Option<Finding> {
    let (at, state) = unseen_end(case)?;
    let is_loader_exit = state.exit_code == Some(i64::from(LOADER_EXIT));
    let file = case.entrypoint.get().filter(|_| is_loader_exit)?.file.get()?.present()?;
    let lack = Lack::of(case, file)?;
    Some(lack.finding(&file.path, Confidence::High, vec![past(state)], at))
}

/// What the libraries of a program lack.
struct Lack<'a> {
    file: &'a File,
    all: &'a [UnmetVersion],
    /// The highest version that is missing, of glibc where it is glibc's.
    worst: &'a UnmetVersion,
}

impl<'a> Lack<'a> {
    fn of(case: &Case, file: &'a File) -> Option<Self> {
        let is_musl = matches!(case.libc.get(), Some(Some(libc)) if libc.kind == LibcKind::Musl);
        let all = file.elf()?.libraries.get().filter(|_| !is_musl)?.unmet.as_slice();
        // Of equal ones the program's own, which comes first.
        let worst =
            all.iter().rev().max_by_key(|unmet| (glibc_minor(&unmet.version), number(&unmet.version)))?;
        Some(Self { file, all, worst })
    }

    fn finding(
        &self,
        program: &str,
        confidence: Confidence,
        mut evidence: Vec<Evidence>,
        at: BootNs,
    ) -> Finding {
        let (program, version) = (inert(program), inert(&self.worst.version));
        let (library, wanted_by) = (inert(&self.worst.path), inert(&self.worst.wanted_by));
        let wants = if self.worst.wanted_by == self.file.resolved || self.worst.wanted_by == self.file.path {
            "it".to_owned()
        } else {
            format!("its library {wanted_by}")
        };
        let offers = match &self.worst.highest_offered {
            Some(offered) => format!("offers {} at most", inert(offered)),
            None => "offers none of its kind".to_owned(),
        };
        evidence.extend(self.listed());
        evidence.extend(self.file.elf().and_then(|elf| go_build(&program, elf)));
        Finding {
            severity: Severity::Error,
            confidence,
            subject: version.clone().into_owned(),
            summary: format!("{program} cannot start: {wants} needs {version}, and {library} {offers}"),
            evidence,
            remedy: self.remedy(),
            at,
        }
    }

    /// By the file that needs them and the library that lacks them.
    fn listed(&self) -> Vec<Evidence> {
        let mut by_pair: BTreeMap<(&str, &str), Vec<&UnmetVersion>> = BTreeMap::new();
        for unmet in self.all {
            by_pair.entry((&unmet.wanted_by, &unmet.path)).or_default().push(unmet);
        }
        let each = by_pair.into_iter().take(MAX_NAMED).map(|((wanted_by, path), unmet)| {
            let versions: Vec<&str> = unmet.iter().map(|unmet| unmet.version.as_str()).collect();
            let count = u64::try_from(versions.len()).unwrap_or(u64::MAX);
            files(format!(
                "{} needs {} that {} does not define: {}",
                inert(wanted_by),
                counted(count, "version", "versions"),
                inert(path),
                some_of(&versions, MAX_NAMED)
            ))
        });
        each.collect()
    }

    fn remedy(&self) -> String {
        let is_go = self.file.elf().and_then(|elf| elf.go.get()).is_some_and(Option::is_some);
        let static_build = "RUN CGO_ENABLED=0 go build -o /out/app .   # in the build stage";
        let image = match glibc_minor(&self.worst.version) {
            Some(minor) => {
                let release = DEBIAN.iter().find(|(has, _)| *has >= minor).map_or("sid", |(_, name)| name);
                format!("# run it on an image with glibc 2.{minor} or newer\nFROM debian:{release}-slim")
            }
            None => format!(
                "# run it on an image as new as the one that it was built on: it must have {}",
                inert(&self.worst.version)
            ),
        };
        if is_go { format!("{static_build}\n# or {}", image.trim_start_matches("# ")) } else { image }
    }
}

/// Of `GLIBC_2.34` the 34.
fn glibc_minor(version: &str) -> Option<u32> {
    version.strip_prefix("GLIBC_2.")?.split('.').next()?.parse().ok()
}

/// The numbers in a version, to compare them in order.
fn number(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_glibc_come_before_those_of_other_libraries_and_are_compared_by_number() {
        let key = |version: &str| (glibc_minor(version), number(version));
        assert!(key("GLIBC_2.34") > key("GLIBC_2.4"));
        assert!(key("GLIBC_2.3.4") > key("GLIBC_2.3"));
        assert!(key("GLIBC_2.3") > key("GLIBCXX_3.4.29"));
        assert!(key("GLIBCXX_3.4.29") > key("GLIBCXX_3.4.9"));
        assert_eq!(glibc_minor("GLIBC_ABI_DT_RELR"), None);
    }
}
