//! Every promise of docs/threat-model.md names tests, and each of them exists.

use std::{collections::BTreeSet, fs, path::PathBuf};

/// What is wrong with the page.
pub(crate) fn faults(page: &str) -> Vec<String> {
    let Some((_, promises)) = page.split_once("<!-- promises -->") else {
        return vec!["the page has no promises".to_owned()];
    };
    let table =
        promises.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows: Vec<&str> = table.skip(2).collect();
    let known = tests();
    let mut faults = Vec::new();
    if rows.is_empty() {
        faults.push("the table of promises is empty".to_owned());
    }
    for row in rows {
        let names: Vec<&str> =
            row.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            faults.push(format!("no test holds this: {row}"));
        }
        faults.extend(
            names
                .iter()
                .filter(|name| !known.contains(**name))
                .map(|name| format!("no test is called {name}")),
        );
    }
    faults
}

/// The names of all functions that are marked as tests.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = ["monitor/src", "monitor-common/src", "xtask/src", "tests"]
        .map(|folder| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(marked(&fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    found
}

fn marked(source: &str) -> Vec<String> {
    let mut is_test = false;
    let mut names = Vec::new();
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            names.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
            is_test = false;
        }
    }
    names
}
