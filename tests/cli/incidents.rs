//! `gomon incidents` on a file: what it shows, and what it says of a file that it cannot read.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests fail like tests")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command as Process};

use gomon::{
    model::{
        container::{CgroupId, ContainerId, Identity},
        diagnosis::{Conclusion, Confidence, Coverage, Diagnosis, Evidence, Severity, Source, Verdict},
        incident::{Facts, Session, Sighting},
        time::{BootEpoch, BootNs},
    },
    sink::store::Store,
};
use predicates::prelude::*;
use serde_json::Value;

use super::gomon;

/// 2026-03-01T09:30:00Z.
const EPOCH: BootEpoch = BootEpoch(1_772_357_400_000_000_000);

fn sighting(name: &str, pattern: &str, severity: Severity) -> Sighting {
    let at = BootNs(1_000_000_000);
    let diagnosis = Diagnosis {
        container: ContainerId(name.repeat(16).into()),
        pattern: pattern.to_owned(),
        severity,
        confidence: Confidence::Certain,
        subject: "/lib/ld.so".to_owned(),
        summary: format!("{name} cannot start"),
        evidence: vec![Evidence { at: Some(at), source: Source::Kernel, fact: "execve failed".to_owned() }],
        remedy: "build it anew".to_owned(),
        first_seen: at,
        last_seen: at,
        count: 1,
        consequence_of: None,
    };
    let conclusion = Conclusion {
        container: diagnosis.container.clone(),
        identity: Identity { name: name.to_owned(), ..Identity::default() },
        verdict: Verdict::Findings,
        diagnoses: vec![diagnosis],
        ending: None,
        coverage: Coverage::default(),
    };
    Sighting::new(&conclusion, &conclusion.diagnoses[0], Facts::default(), CgroupId(1), EPOCH, "1.2.3")
}

/// A store with an error, a warning and a remark, each of a container of its own.
pub(crate) fn store(path: &Path) -> Store {
    let session = Session { boot: "one".to_owned(), started: BootNs(0) };
    let mut store = Store::open(path, &session).unwrap();
    let all = [
        sighting("fail", "missing-interpreter", Severity::Error),
        sighting("slow", "cpu-throttled", Severity::Warning),
        sighting("root", "privilege-posture", Severity::Info),
    ];
    store.write(all.iter()).unwrap();
    store
}

fn listed(line: &str) -> Vec<Value> {
    let output = gomon(line).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["incidents"].as_array().unwrap().clone()
}

#[test]
fn the_file_of_an_agent_is_listed_filtered_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    // Open for writing, as by a running agent.
    let open = store(&path);
    let of = |rest: &str| format!("incidents {rest} --store {}", path.display());
    assert_eq!(listed(&of("-o json")).len(), 2, "remarks are left out");
    assert_eq!(listed(&of("list -A -o json")).len(), 3);
    assert_eq!(listed(&of("--min-severity error -o json")).len(), 1);
    assert_eq!(listed(&of("-c slow -o json")).len(), 1);
    assert_eq!(listed(&of("--pattern cpu-throttled -o json"))[0]["target"]["name"], "slow");
    assert_eq!(listed(&of("--since 2026-03-01T09:30:02Z -o json")).len(), 0);
    assert_eq!(listed(&of("--until 2026-03-01T09:30:00Z -o json")).len(), 0);
    assert_eq!(listed(&of("-n shop -o json")).len(), 0);
    gomon(&of("--fail-on error")).assert().code(1);
    gomon(&of("-c slow --fail-on error")).assert().code(0);
    let id = listed(&of("-c fail -o json"))[0]["id"].as_str().unwrap().to_owned();
    let text =
        predicate::str::contains("ERROR missing-interpreter").and(predicate::str::contains("Timeline:"));
    gomon(&of(&format!("show {id}"))).assert().code(0).stdout(text);
    for format in ["columns", "wide", "json", "jsonl", "yaml", "markdown"] {
        gomon(&of(&format!("-o {format}"))).assert().code(0).stdout(predicate::str::contains(&*id));
        gomon(&of(&format!("show {id} -o {format}"))).assert().code(0).stdout(predicate::str::contains(&*id));
    }
    gomon(&of("show 0000000000")).assert().code(4).stderr(predicate::str::contains("there is no incident"));
    gomon(&of("--pattern cpu-throtled")).assert().code(2).stderr(predicate::str::contains("cpu-throttled"));
    drop(open);
    assert_eq!(listed(&of("-o json")).len(), 2, "a closed one reads the same");
}

#[test]
fn a_file_that_is_no_store_of_gomons_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let of = |path: &Path| format!("incidents --store {}", path.display());
    let notes = dir.path().join("notes.txt");
    fs::write(&notes, "my notes\n".repeat(100)).unwrap();
    gomon(&of(&notes)).assert().code(2).stderr(predicate::str::contains("not a store of gomon's"));
    let damaged = dir.path().join("damaged.db");
    drop(store(&damaged));
    let mut bytes = fs::read(&damaged).unwrap();
    let length = bytes.len();
    bytes[100..length].fill(0x5a);
    fs::write(&damaged, bytes).unwrap();
    gomon(&of(&damaged)).assert().code(2).stderr(predicate::str::contains("is damaged"));
    let missing = dir.path().join("missing.db");
    gomon(&of(&missing)).assert().code(4).stderr(predicate::str::contains("there is no store at"));
    let socket = dir.path().join("no.sock");
    let line = format!("incidents --socket {}", socket.display());
    gomon(&line).assert().code(4).stderr(predicate::str::contains("no agent answers"));
}

#[test]
fn a_user_who_may_read_the_file_needs_no_other_right() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().join("gomon.db");
    let binary = dir.path().join("gomon");
    fs::copy(assert_cmd::cargo::cargo_bin!("gomon"), &binary).unwrap();
    let read = || {
        let mut process = Process::new("setpriv");
        process.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&binary);
        process.arg("incidents").arg("--store").arg(&path).args(["-o", "json"]).output().unwrap()
    };
    let open = store(&path);
    assert_eq!(read().status.code(), Some(2), "it is closed to others at first");
    for suffix in ["", "-wal", "-shm"] {
        let file = dir.path().join(format!("gomon.db{suffix}"));
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let is_whole = |when: &str| {
        let output = read();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(told["total"], 2, "{when}: {}", String::from_utf8_lossy(&output.stderr));
    };
    is_whole("while an agent writes it");
    drop(open);
    is_whole("after its end");
}
