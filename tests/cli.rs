//! The command line from outside: what it prints, where, and the exit code.

#[path = "cli/incidents.rs"]
mod incidents;
#[path = "cli/report.rs"]
mod report;

use std::{
    io::Read,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    process::{Command as Process, Stdio},
};

use assert_cmd::Command;
use gomon::patterns::CATALOGUE;
use predicates::prelude::*;

fn gomon(line: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("gomon"));
    command.args(line.split_whitespace());
    command
}

#[test]
fn no_command_is_wrong_usage_and_shows_the_help() {
    gomon("").assert().code(2).stderr(predicate::str::contains("Usage:"));
}

#[test]
fn an_unknown_option_or_command_is_wrong_usage() {
    for line in
        ["--frobnicate", "explain --frobnicate", "frobnicate", "version -o html", "explain --color sometimes"]
    {
        gomon(line).assert().code(2).stdout("").stderr(predicate::str::contains("error:"));
    }
}

#[test]
fn the_help_tells_the_exit_codes() {
    gomon("--help").assert().code(0).stdout(predicate::str::contains("5 inconclusive"));
}

#[test]
fn version_says_whether_the_kernel_programs_are_embedded() {
    let text = predicate::str::starts_with("gomon ").and(predicate::str::contains("kernel programs"));
    gomon("version").assert().code(0).stdout(text).stderr("");
    let output = gomon("version -o json").output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    // A build for linting has the feature without the programs.
    assert!(cfg!(feature = "kernel") || value["kernel_programs"] == false, "{value}");
}

#[test]
fn completions_exist_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        gomon(&format!("completions {shell}")).assert().code(0).stdout(predicate::str::contains("explain"));
    }
    gomon("completions csh").assert().code(2);
}

#[test]
fn explain_lists_every_pattern_and_shows_each() {
    let list = gomon("explain").assert().code(0).get_output().stdout.clone();
    let list = String::from_utf8(list).unwrap();
    assert_eq!(list.lines().count(), CATALOGUE.len());
    for pattern in CATALOGUE {
        assert!(list.contains(pattern.id), "{list}");
        gomon(&format!("explain {}", pattern.id))
            .assert()
            .code(0)
            .stdout(predicate::str::contains(pattern.title));
    }
    gomon("explain -o markdown").assert().code(0).stdout(predicate::str::starts_with("# Failure patterns\n"));
}

#[test]
fn an_unknown_pattern_is_wrong_usage_and_prints_nothing() {
    let message = predicate::str::contains("there is no pattern \"no-such-pattern\"");
    gomon("explain no-such-pattern").assert().code(2).stdout("").stderr(message);
}

/// What holds for `gomon doctor -o json` everywhere.
fn check_doctor(report: &serde_json::Value, code: Option<i32>) {
    assert_eq!(report["schema_version"], 1);
    let checks = || report["checks"].as_array().into_iter().flatten();
    let names: Vec<&str> = checks().filter_map(|check| check["name"].as_str()).collect();
    let mut wanted = vec![
        "user",
        "cap-bpf",
        "cap-perfmon",
        "cap-sys-ptrace",
        "cap-dac-read-search",
        "cap-sys-admin",
        "kernel",
        "btf",
        "lockdown",
        "cgroups",
        "memory-controller",
        "kernel-members",
        "kernel-programs",
        "bundles",
        "agent-socket",
    ];
    if cfg!(feature = "kernel") {
        wanted.extend(["hook:sched_process_exec", "hook:open_and_exec"]);
    }
    for name in wanted {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name}: {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("runtime-socket")), "{names:?}");
    for check in checks() {
        assert_eq!(check["state"] == "ok", check["remedy"].is_null(), "{check}");
        assert!(check["found"].as_str().is_some_and(|found| !found.is_empty()), "{check}");
    }
    let missing = checks().any(|check| check["state"] == "missing");
    assert_eq!(code, Some(if missing { 3 } else { 0 }));
}

#[test]
fn doctor_tells_every_check_whatever_the_privileges() {
    let output = gomon("doctor -o json").output().unwrap();
    check_doctor(&serde_json::from_slice(&output.stdout).unwrap(), output.status.code());
    let columns = gomon("doctor").output().unwrap();
    let text = String::from_utf8(columns.stdout).unwrap();
    assert!(text.contains("kernel-programs") && text.contains("observe here"), "{text}");
}

#[test]
fn doctor_without_privileges_names_them_and_cannot_observe() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Where anybody may execute it.
    let binary = directory.path().join("gomon");
    std::fs::copy(assert_cmd::cargo::cargo_bin!("gomon"), &binary).unwrap();
    let mut process = Process::new(binary);
    process.args(["doctor", "-o", "json", "--socket", "/no/such/socket"]);
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        process.uid(65534).gid(65534);
    }
    let output = process.output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    check_doctor(&report, output.status.code());
    let checks = report["checks"].as_array().unwrap();
    let state = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["state"].clone();
    assert!(!is_root || state("cap-bpf") == "missing");
    assert!(!is_root || state("kernel-programs") == "missing");
    assert_eq!(state("agent-socket"), "ok");
}

#[test]
fn a_pipe_and_no_color_get_no_control_sequences_and_always_gets_them() {
    let escape = "\u{1b}[";
    let plain = || predicate::str::contains(escape).not();
    gomon("explain no-such-pattern").assert().stderr(plain());
    gomon("explain no-such-pattern --color never").assert().stderr(plain());
    gomon("explain no-such-pattern").env("NO_COLOR", "1").assert().stderr(plain());
    gomon("--color always explain no-such-pattern").assert().stderr(predicate::str::contains(escape));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child = Process::new(assert_cmd::cargo::cargo_bin!("gomon"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((told.as_str(), status.code()), ("", Some(0)));
}
