//! The structure that no compiler checks: who may import whom, how long a file may grow, what every file must say.

#[path = "tidy/sources.rs"]
mod sources;

use std::{collections::BTreeSet, fs, path::Path};

use gomon::patterns::CATALOGUE;
use sources::{Source, documents, named, root, rust};

/// The judging part, by path below `monitor/src`: a folder or a file.
const CORE: [&str; 10] = [
    "model/",
    "case/",
    "patterns/",
    "report/",
    "engine.rs",
    "ledger.rs",
    "decode.rs",
    "attribution.rs",
    "attribution/",
    "recording.rs",
];
const MAX_LINES: usize = 400;

fn core() -> impl Iterator<Item = Source> {
    rust("monitor/src").into_iter().filter(|source| {
        let path = source.path.strip_prefix("monitor/src/").unwrap_or_default();
        CORE.iter().any(|part| path.starts_with(part))
    })
}

/// Panics with every offence, not only the first.
fn none(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

#[test]
fn the_core_does_no_io() {
    /// Modules of the standard library, and crates, that reach out of the process.
    const FORBIDDEN: [&str; 18] = [
        "std::fs",
        "std::net",
        "std::os",
        "std::process",
        "std::env",
        "std::thread",
        "std::io",
        "std::time::Instant",
        "std::time::SystemTime",
        "tokio",
        "aya",
        "rustix",
        "procfs",
        "bollard",
        "axum",
        "hyper",
        "tracing",
        "anyhow",
    ];
    let mut offences = Vec::new();
    for source in core() {
        // Over readers and writers that somebody else opened.
        let is_recording = source.path.ends_with("/recording.rs");
        for used in source.used() {
            let is = |forbidden: &&&str| used == **forbidden || used.starts_with(&format!("{forbidden}::"));
            let offence = FORBIDDEN.iter().find(is).filter(|name| !(is_recording && **name == "std::io"));
            offences.extend(offence.map(|_| format!("{}: {used}", source.path)));
        }
    }
    none(&offences, "the core gets files, sockets and time as values");
}

#[test]
fn dependencies_point_one_way() {
    /// A part, and what it may not know.
    const RULES: [(&str, &[&str]); 8] = [
        (
            "inspect",
            &["command", "cli", "pipeline", "observer", "kernel", "sink", "runtime", "engine", "patterns"],
        ),
        (
            "kernel",
            &["command", "cli", "pipeline", "observer", "inspect", "sink", "runtime", "engine", "patterns"],
        ),
        ("sink", &["command", "cli", "pipeline", "observer", "kernel", "inspect", "runtime", "engine"]),
        ("runtime", &["command", "pipeline", "observer", "kernel", "sink", "engine", "patterns"]),
        ("observer", &["command", "cli", "pipeline", "sink", "engine", "patterns"]),
        ("pipeline", &["command", "cli"]),
        ("config", &["command", "pipeline", "observer", "kernel", "inspect"]),
        ("cli", &["command", "pipeline", "observer", "kernel", "inspect", "sink", "engine"]),
    ];
    const NOT_CORE: [&str; 10] =
        ["command", "cli", "config", "pipeline", "observer", "kernel", "inspect", "runtime", "sink", "when"];
    let mut offences = Vec::new();
    let mut check = |source: &Source, forbidden: &[&str]| {
        for used in source.used() {
            let part = used.strip_prefix("crate::").and_then(|rest| rest.split("::").next());
            if part.is_some_and(|part| forbidden.contains(&part)) {
                offences.push(format!("{}: {used}", source.path));
            }
        }
    };
    core().for_each(|source| check(&source, &NOT_CORE));
    for source in rust("monitor/src") {
        let (_, forbidden) = match RULES.iter().find(|(part, _)| source.is_of(part)) {
            Some(rule) => *rule,
            None => continue,
        };
        check(&source, forbidden);
    }
    none(
        &offences,
        "command knows pipeline, pipeline the sources and sinks, all of them the core, and never back",
    );
}

#[test]
fn files_stay_small() {
    let long = rust("").into_iter().filter(|source| source.lines() > MAX_LINES);
    none(
        &long.map(|source| format!("{}: {} lines", source.path, source.lines())).collect::<Vec<_>>(),
        "a file that grows beyond 400 lines asks to be split",
    );
}

#[test]
fn every_file_says_what_it_answers() {
    let silent = rust("").into_iter().filter(|source| !source.text.starts_with("//! "));
    none(&silent.map(|source| source.path).collect::<Vec<_>>(), "a file opens with one `//!` sentence");
}

#[test]
fn patterns_have_their_scenarios() {
    let scenarios = root().join("tests/scenarios");
    let mut offences = Vec::new();
    for pattern in CATALOGUE {
        for kind in ["fires", "near-miss"] {
            if !scenarios.join(pattern.id).join(format!("{kind}.jsonl")).exists() {
                offences.push(format!("{}/{kind}.jsonl", pattern.id));
            }
        }
    }
    let ids: BTreeSet<&str> = CATALOGUE.iter().map(|pattern| pattern.id).collect();
    for entry in fs::read_dir(scenarios).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !ids.contains(name.as_str()) && name != "README.md" {
            offences.push(format!("{name} is no pattern"));
        }
    }
    none(&offences, "each pattern has a recording that fires and a look-alike that does not");
}

#[test]
fn only_two_files_read_kernel_memory() {
    let mut offences = Vec::new();
    for source in rust("monitor-ebpf/src") {
        let code = source.code();
        let reads = ["probe_read", "core_read", "copy_from_user"].iter().any(|helper| code.contains(helper));
        if reads && !source.path.ends_with("src/read.rs") {
            offences.push(format!("{}: memory is read through read.rs", source.path));
        }
        if code.contains("(*regs)") && !source.path.ends_with("src/arch.rs") {
            offences.push(format!("{}: registers are read in arch.rs", source.path));
        }
    }
    none(&offences, "memory that is not ours has two readers");
}

#[test]
fn no_test_is_switched_off() {
    let offences = rust("").into_iter().flat_map(|source| {
        let code = source.code();
        // Written so that this file does not name them.
        let switches = [format!("#[{}", "ignore"), format!("#[{}", "should_panic")];
        let found = switches.into_iter().filter(move |switch| code.contains(switch));
        found.map(move |switch| format!("{}: {switch}", source.path)).collect::<Vec<_>>()
    });
    let mut offences: Vec<String> = offences.collect();
    for source in rust("tests").into_iter().filter(|source| !source.path.ends_with("support/mod.rs")) {
        let sleeps =
            source.code().lines().any(|line| line.contains("thread::sleep(") && !line.contains("PAUSE"));
        offences.extend(sleeps.then(|| format!("{}: sleeps for luck", source.path)));
    }
    none(&offences, "a test waits for a condition with a deadline, and always runs");
}

#[test]
fn documents_name_real_tests() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, invariants) = text.split_once("## Invariants").unwrap();
    let all: String = rust("").into_iter().map(|source| source.text).collect();
    let is_name = |word: &&str| {
        word.matches('_').count() >= 2
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let names: BTreeSet<&str> = named(invariants).filter(is_name).collect();
    assert!(names.len() > 10, "the invariants name their tests: {names:?}");
    let missing = names.into_iter().filter(|name| !all.contains(&format!("fn {name}(")));
    none(&missing.map(str::to_owned).collect::<Vec<_>>(), "ARCHITECTURE.md names tests that exist");
}

#[test]
fn the_page_of_faults_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let all: String = rust("").into_iter().map(|source| source.text).collect();
    let names: BTreeSet<&str> = named(&text).filter(|word| word.matches('_').count() >= 4).collect();
    assert!(names.len() > 10, "each row names its test: {names:?}");
    let missing = names.into_iter().filter(|name| !all.contains(&format!("fn {name}(")));
    none(&missing.map(str::to_owned).collect::<Vec<_>>(), "docs/faults.md names tests that exist");
}

#[test]
fn no_paths_or_hosts_of_one_machine() {
    // Written so that this file does not name them.
    let words = [("/wo", "rk/"), ("/tmp/", "wt/"), ("registry.inter", "nal"), ("arti", "factory.")];
    let words = words.map(|(start, end)| format!("{start}{end}"));
    let mut offences = Vec::new();
    for (path, text) in documents() {
        let found = words.iter().filter(|word| text.contains(word.as_str()));
        offences.extend(found.map(|word| format!("{path}: {word}")));
    }
    none(&offences, "the tree says nothing about the machine that it was made on");
}

#[test]
fn links_of_pages_lead_somewhere() {
    let mut offences = Vec::new();
    for (path, text) in documents() {
        if Path::new(&path).extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            if !root().join(&path).with_file_name(target).exists() {
                offences.push(format!("{path}: {target}"));
            }
        }
    }
    none(&offences, "a link leads nowhere");
}
