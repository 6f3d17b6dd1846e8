//! What a store promises, whatever happens to its process and its file.

mod keeping;
mod killing;

use std::{fs, path::Path};

use rusqlite::Connection;

use super::{file::hand_over, *};
use crate::{
    model::{
        container::{CgroupId, ContainerId},
        diagnosis::{Evidence, Severity},
        incident::{Facts, Incident, Session, Sighting},
        time::{BootNs, SECOND},
    },
    report::samples::{self, EPOCH as BOOT},
};

fn session(started: u64) -> Session {
    Session { boot: "one".to_owned(), started: BootNs(started) }
}

/// A diagnosis of one container; `count` occurrences, the last one at `last_s` since boot.
fn sighting(container: &str, first_s: u64, last_s: u64, count: u64) -> Sighting {
    let mut conclusion = samples::finding();
    conclusion.container = ContainerId(container.into());
    container.clone_into(&mut conclusion.identity.name);
    let diagnosis = &mut conclusion.diagnoses[0];
    diagnosis.container = conclusion.container.clone();
    (diagnosis.first_seen, diagnosis.last_seen) = (BootNs(first_s * SECOND), BootNs(last_s * SECOND));
    diagnosis.count = count;
    diagnosis.evidence[0].at = Some(diagnosis.last_seen);
    Sighting::new(&conclusion, &conclusion.diagnoses[0], Facts::default(), CgroupId(7), BOOT, "1.2.3")
}

fn list(path: &Path, query: &Query) -> Vec<Incident> {
    Reader::open(path).unwrap().list(query).unwrap().incidents
}

fn names(path: &Path, query: &Query) -> Vec<String> {
    list(path, query).into_iter().map(|one| one.told.identity.name).collect()
}

#[test]
fn an_incident_survives_the_agent_with_its_id_and_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/gomon.db");
    let mut store = Store::open(&path, &session(1)).unwrap();
    store.write([sighting("api", 10, 20, 2)].iter()).unwrap();
    drop(store);
    let before = list(&path, &Query::default());
    let mut store = Store::open(&path, &session(2)).unwrap();
    for _ in 0..2 {
        store.write([sighting("api", 30, 30, 1)].iter()).unwrap();
    }
    // Read while it is open for writing.
    let after = list(&path, &Query::default());
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!(before[0].id, after[0].id);
    assert_eq!((before[0].told.diagnosis.count, after[0].told.diagnosis.count), (2, 3));
    assert_eq!(before[0].told.diagnosis.first_seen, after[0].told.diagnosis.first_seen);
    let found = Reader::open(&path).unwrap().find(&after[0].id[..6]).unwrap();
    assert_eq!(found[0].told, after[0].told);
    assert!(found[0].timeline.len() >= 3, "{found:?}");
    assert!(found[0].timeline.is_sorted_by_key(|one| one.at));
}

#[test]
fn incidents_are_found_by_what_people_know_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let mut store = Store::open(&path, &session(1)).unwrap();
    let mut info = sighting("aabbccddeeff", 40, 40, 1);
    info.told.diagnosis.severity = Severity::Info;
    info.told.diagnosis.pattern = "privilege-posture".to_owned();
    info.told.identity.name = "web".to_owned();
    (info.told.identity.namespace, info.told.identity.pod) = (String::new(), String::new());
    store.write([sighting("one", 10, 20, 1), sighting("two", 30, 50, 1), info].iter()).unwrap();
    let all = Query::default;
    let at = |s: u64| i64::try_from(s * SECOND).unwrap() + BOOT.0;
    let text = |text: &str| Some(text.to_owned());
    for (query, wanted) in [
        (all(), &["two", "web", "one"][..]),
        (Query { limit: Some(1), ..all() }, &["two"]),
        (Query { container: text("one"), ..all() }, &["one"]),
        (Query { container: text("shop/api-7d9f/two"), ..all() }, &["two"]),
        (Query { container: text("aabbcc"), ..all() }, &["web"]),
        (Query { pod: text("api-7d9f"), ..all() }, &["two", "one"]),
        (Query { namespace: text("other"), ..all() }, &[]),
        (Query { pattern: text("privilege-posture"), ..all() }, &["web"]),
        (Query { min_severity: Some(Severity::Warning), ..all() }, &["two", "one"]),
        (Query { since: Some(at(35)), ..all() }, &["two", "web"]),
        (Query { until: Some(at(35)), ..all() }, &["two", "one"]),
        (Query { container: text("' OR 1 = 1 --"), ..all() }, &[]),
    ] {
        assert_eq!(names(&path, &query), wanted, "{query:?}");
    }
    let one = Query { limit: Some(1), ..all() };
    assert_eq!(Reader::open(&path).unwrap().list(&one).unwrap().total, 3);
    for id in ["", "0", "zzzz", "%", "0123456789abcdef"] {
        assert!(Reader::open(&path).unwrap().find(id).unwrap().is_empty(), "{id}");
    }
}

#[test]
fn what_is_too_old_and_what_is_too_much_goes_the_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let mut store = Store::open(&path, &session(1)).unwrap();
    let many: Vec<Sighting> = (0..600).map(|n| sighting(&format!("c{n:03}"), n, n, 1)).collect();
    store.write(many.iter()).unwrap();
    let (count, bytes) = store.size().unwrap();
    assert_eq!(count, 600);
    let oldest = i64::try_from(100 * SECOND).unwrap() + BOOT.0;
    assert_eq!(store.prune_older(oldest).unwrap(), 100);
    assert_eq!(store.prune_larger(bytes).unwrap(), 0);
    let pruned = store.prune_larger(bytes / 2).unwrap();
    let (left, used) = store.size().unwrap();
    assert!(pruned > 0 && left == 500 - pruned && used <= bytes / 2, "{pruned} {left} {used}");
    drop(store);
    assert!(fs::metadata(&path).unwrap().len() <= bytes / 2 + (64 << 10), "the file gives its room back");
    let left = names(&path, &Query::default());
    assert_eq!(left.first().map(String::as_str), Some("c599"));
    assert_eq!(left.last(), Some(&format!("c{:03}", 600 - left.len())));
}

#[test]
fn a_timeline_keeps_its_beginning_and_its_end_and_counts_what_went() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let mut store = Store::open(&path, &session(1)).unwrap();
    for n in 0..300 {
        let mut seen = sighting("api", 0, n, n + 1);
        seen.timeline = vec![Evidence { at: Some(BootNs(n)), ..seen.timeline[0].clone() }];
        store.write([seen].iter()).unwrap();
    }
    let id = list(&path, &Query::default())[0].id.clone();
    let found = Reader::open(&path).unwrap().find(&id).unwrap().remove(0);
    let times: Vec<u64> = found.timeline.iter().filter_map(|one| one.at).map(|at| at.0).collect();
    assert_eq!((times.len(), found.timeline_dropped), (200, 100));
    assert_eq!((times[0], times[19], times[20], times[199]), (0, 19, 120, 299));
}

#[test]
fn a_damaged_store_is_moved_aside_and_a_new_one_begun() {
    let zeros = |path: &Path| fs::write(path, [0; 4096]).unwrap();
    let torn = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let length = bytes.len();
        // The header stays: it tells whose file it is.
        bytes[100..length].fill(0x5a);
        fs::write(path, bytes).unwrap();
    };
    for damage in [&zeros as &dyn Fn(&Path), &torn] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gomon.db");
        let mut store = Store::open(&path, &session(1)).unwrap();
        store.write([sighting("api", 10, 20, 2)].iter()).unwrap();
        drop(store);
        damage(&path);
        let damaged = fs::read(&path).unwrap();
        assert!(Reader::open(&path).and_then(|reader| reader.list(&Query::default())).is_err());
        let mut store = Store::open(&path, &session(2)).unwrap();
        let aside = store.moved_aside.clone().unwrap();
        assert!(aside.to_string_lossy().contains("gomon.db.damaged-"), "{aside:?}");
        assert_eq!(fs::read(aside).unwrap(), damaged);
        store.write([sighting("web", 10, 20, 2)].iter()).unwrap();
        assert_eq!(names(&path, &Query::default()), ["web"]);
    }
}

#[test]
fn a_file_of_somebody_else_and_one_of_a_newer_gomon_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("notes.txt");
    fs::write(&text, "my notes\n".repeat(40)).unwrap();
    let other = dir.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let newer = dir.path().join("newer.db");
    drop(Store::open(&newer, &session(1)).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for (path, word) in
        [(text, "not a store of gomon's"), (other, "not a store of gomon's"), (newer, "newer gomon")]
    {
        let before = fs::read(&path).unwrap();
        let error = Store::open(&path, &session(2)).unwrap_err();
        assert!(error.is_refusal() && error.to_string().contains(word), "{error}");
        let error = Reader::open(&path).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    assert_eq!(
        fs::read_dir(&dir)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name() == "notes.txt-lock")
            .count(),
        0
    );
    assert!(matches!(Reader::open(&dir.path().join("none.db")), Err(StoreError::Missing { .. })));
}

#[test]
fn of_two_agents_the_second_is_told_who_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let first = Store::open(&path, &session(1)).unwrap();
    let error = Store::open(&path, &session(2)).unwrap_err();
    assert!(error.is_refusal(), "{error}");
    assert!(error.to_string().contains(&format!("(pid {})", std::process::id())), "{error}");
    drop(first);
    Store::open(&path, &session(2)).unwrap();
}

#[test]
fn others_cannot_read_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon/gomon.db");
    let _store = Store::open(&path, &session(1)).unwrap();
    let files =
        [path.clone(), file::beside(&path, "-wal"), file::beside(&path, "-lock"), dir.path().join("gomon")];
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o007, 0, "{file:?}");
    }
}

#[test]
fn a_store_that_was_handed_over_is_written_on_and_its_log_goes_along() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon/gomon.db");
    let mut store = Store::open(&path, &session(1)).unwrap();
    let (own, other) = (fs::metadata(&path).unwrap().uid(), 65_523);
    // Only root may give files away.
    let uid = if rustix::process::geteuid().is_root() { other } else { own };
    hand_over(&path, uid, fs::metadata(&path).unwrap().gid()).unwrap();
    for name in ["gomon.db", "gomon.db-wal", "gomon.db-shm", "gomon.db-lock", ""] {
        let file = dir.path().join("gomon").join(name);
        assert_eq!(fs::metadata(&file).unwrap().uid(), uid, "{file:?}");
    }
    assert_eq!(fs::metadata(dir.path()).unwrap().uid(), own, "what is not gomon's own stays whose it is");
    store.write([sighting("api", 10, 20, 2)].iter()).unwrap();
    assert_eq!(names(&path, &Query::default()), ["api"]);
}

#[test]
fn what_somebody_wrote_into_the_file_by_hand_steers_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let mut store = Store::open(&path, &session(1)).unwrap();
    store.write([sighting("api", 10, 20, 2)].iter()).unwrap();
    drop(store);
    let sql = "UPDATE incident SET told = replace(told, 'exists', '\\u001b[2J\\nexists');
               UPDATE evidence SET fact = char(27) || '[2J'";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let id = list(&path, &Query::default())[0].id.clone();
    let found = Reader::open(&path).unwrap().find(&id).unwrap().remove(0);
    assert!(found.told.diagnosis.summary.contains("\\u{1b}[2J"), "{found:?}");
    assert!(found.timeline.iter().all(|one| one.fact.starts_with("\\u{1b}")), "{found:?}");
}
