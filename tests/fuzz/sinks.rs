//! Strings of containers in everything that gomon writes: none of them steers a terminal, ends a line, a label or a fence.

use std::fs;

use gomon::{
    fuzzing::{Target, feed, hostile, targets},
    model::time::BootEpoch,
    recording::{Reader, Recorder},
};

use crate::root;

/// A recording with hostile characters in all its strings.
fn poisoned(recording: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut recorder = Recorder::start(&mut bytes, "0.1.0", BootEpoch(7)).unwrap();
    for observation in Reader::open(recording).unwrap() {
        recorder.record(&hostile(&observation.unwrap())).unwrap();
    }
    recorder.finish().unwrap();
    bytes
}

fn target(name: &str) -> &'static Target {
    targets().find(|target| target.name == name).unwrap()
}

/// The targets themselves look at each line that comes out: text, JSON, YAML, Markdown, HTML, lines of events, labels.
#[test]
fn no_string_of_a_container_is_active_in_any_report_or_metric() {
    let scenarios = root().join("tests/scenarios");
    let mut told = 0;
    for folder in fs::read_dir(scenarios).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let bytes = fs::read(folder.path().join("fires.jsonl")).unwrap();
        let poisoned = poisoned(&bytes);
        for name in ["recording", "metrics"] {
            feed(target(name), &poisoned);
        }
        told += 1;
    }
    assert!(told > 30, "only {told} scenarios");
}
