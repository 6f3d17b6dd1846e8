//! `gomon report` on a file: what it is about, in which form, and what it says where there is nothing.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use predicates::prelude::*;
use serde_json::Value;

use super::{gomon, incidents::store};

fn json(line: &str) -> Value {
    let output = gomon(line).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_report_is_about_an_incident_a_container_a_pattern_or_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    // Open for writing, as by a running agent.
    let open = store(&path);
    let of = |rest: &str| format!("report {rest} --store {}", path.display());
    let patterns = |rest: &str| -> Vec<String> {
        let report = json(&of(&format!("{rest} -o json")));
        let causes = report["causes"].as_array().unwrap().iter();
        causes.map(|one| one["pattern"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(patterns("-c fail"), ["missing-interpreter"]);
    assert_eq!(patterns("--since 2026-03-01T09:30:00Z"), ["missing-interpreter", "cpu-throttled"]);
    assert_eq!(patterns("--since 2026-03-01T09:30:00Z -A").len(), 3);
    assert_eq!(patterns("--until 2026-03-01T09:31:00Z --min-severity error"), ["missing-interpreter"]);
    assert_eq!(patterns("--pattern cpu-throttled"), ["cpu-throttled"]);
    let report = json(&of("--since 2026-03-01T09:30:00Z --limit 1 -o json"));
    assert_eq!((&report["scope"]["incidents"], &report["scope"]["left_out"]), (&1.into(), &1.into()));
    assert_eq!(report["scope"]["asked"], "since 2026-03-01T09:30:00Z, severity from warning");
    let id = json(&of("-c fail -o json"))["causes"][0]["incidents"][0].as_str().unwrap().to_owned();
    assert_eq!(patterns(&id[..6]), ["missing-interpreter"]);
    let page = predicate::str::starts_with("# Postmortem: missing-interpreter in fail\n")
        .and(predicate::str::contains(
            "| E1 | 2026-03-01T09:30:01.000Z | +0 ms | kernel | fail | execve failed | F1 |",
        ))
        .and(predicate::str::contains("**To fill in** (Customer impact)"));
    gomon(&of(&id)).assert().code(0).stdout(page);
    drop(open);
}

#[test]
fn where_there_is_nothing_to_report_the_reason_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    drop(store(&path));
    let of = |rest: &str| format!("report {rest} --store {}", path.display());
    for (rest, code, said) in [
        ("0000000000", 4, "there is no incident \"0000000000\""),
        ("-c nobody", 4, "there is no such incident"),
        ("-n shop -p api", 4, "there is no such incident"),
        ("--pattern cpu-throtled", 2, "did you mean \"cpu-throttled\"?"),
        ("", 2, "required"),
    ] {
        gomon(&of(rest)).assert().code(code).stdout("").stderr(predicate::str::contains(said));
    }
    gomon("report -c api --store /no/such/gomon.db")
        .assert()
        .code(4)
        .stderr(predicate::str::contains("no store at"));
    gomon("report -c api --socket /no/such.sock")
        .assert()
        .code(4)
        .stderr(predicate::str::contains("no agent answers"));
}
