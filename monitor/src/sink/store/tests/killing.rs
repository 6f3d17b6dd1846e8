//! A writer that is killed at any moment loses nothing that it was told is written, and counts nothing twice.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
};

use super::*;

/// Names the store to the process that writes it.
const STORE: &str = "GOMON_TEST_STORE";
const SESSION: &str = "GOMON_TEST_SESSION";
const KILLS: u64 = 25;

/// Writes without end and says what is written; only where the test below started this process.
#[test]
fn writes_until_it_is_killed() {
    let (Some(path), Some(number)) = (env::var_os(STORE), env::var(SESSION).ok()) else { return };
    let number: u64 = number.parse().unwrap();
    // Times of a later session are later.
    let start = number * 1_000_000;
    let mut store = Store::open(path.as_ref(), &session(start)).unwrap();
    for count in 1_u64.. {
        let seen = sighting("looping", start + 1, start + count, count);
        let single = sighting(&format!("single-{number}-{count}"), start + count, start + count, 1);
        store.write([seen, single].iter()).unwrap();
        // Past the runner's capture.
        writeln!(std::io::stdout(), "written {count}").unwrap();
    }
}

fn writer(path: &Path, number: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "sink::store::tests::killing::writes_until_it_is_killed", "--nocapture"])
        .env(STORE, path)
        .env(SESSION, number.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    (child, told)
}

/// The last count in what was told.
fn last_of(lines: impl Iterator<Item = String>) -> Option<u64> {
    lines.filter_map(|line| line.rsplit_once("written ")?.1.parse().ok()).last()
}

#[test]
fn what_was_written_survives_25_kills_and_nothing_counts_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let (mut counted, mut singles) = (0, 0);
    for number in 1..=KILLS {
        let (mut child, told) = writer(&path, number);
        // After another number of writes each time, and in the middle of one: it does not wait for this process.
        let mut lines = told.lines().map(Result::unwrap);
        let writes = usize::try_from(1 + (number * 7) % 13).unwrap();
        let seen = last_of(lines.by_ref().filter(|line| line.contains("written")).take(writes));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it could still say.
        let acknowledged = last_of(lines).or(seen).unwrap();
        let count = list(&path, &Query { container: Some("looping".to_owned()), ..Query::default() })[0]
            .told
            .diagnosis
            .count;
        let new = count - counted;
        assert!(new == acknowledged || new == acknowledged + 1, "{number}: {new} after {acknowledged}");
        let total =
            Reader::open(&path).unwrap().list(&Query { limit: Some(0), ..Query::default() }).unwrap().total;
        // The two of one write are there together or not at all.
        singles += new;
        assert_eq!(total, singles + 1, "{number}");
        counted = count;
    }
    let store = Store::open(&path, &session(u64::MAX)).unwrap();
    assert_eq!(store.moved_aside, None, "a kill damages nothing");
}
