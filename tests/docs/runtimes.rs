//! The tables of docs/runtimes.md, from the lists that tests go through. A live test that is named has to exist.

use std::{fs, path::PathBuf};

const LAYOUTS: &str = include_str!("runtimes.tsv");
const PATHS: &str = include_str!("../../monitor/src/attribution/paths.tsv");

/// The container around others in the list of paths.
const OUTER: &str = "3f2a9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011";

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Gives each table by its name.
pub(crate) fn tables(mut give: impl FnMut(&str, &str)) {
    let live = sources("tests/live");
    let unit = sources("monitor/src");
    let mut layouts = String::from("| runtime | driver | hybrid | v1 | v2 |\n|---|---|---|---|---|\n");
    for row in rows(LAYOUTS) {
        assert_eq!(row.len(), 5, "{row:?}");
        let (named, proofs) = row.split_at(2);
        let proofs: Vec<String> = proofs.iter().map(|proof| told(proof, &live, &unit)).collect();
        layouts += &line(&[named, &proofs.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    }
    give("layouts", &layouts);
    let mut paths = String::from("| path | is | layout, driver | known from |\n|---|---|---|---|\n");
    for row in rows(PATHS) {
        assert_eq!(row.len(), 7, "{row:?}");
        let field = |at: usize| row.get(at).copied().unwrap_or_default();
        let (id, pod) = (field(4), field(5));
        let mut path = field(6).to_owned();
        for (word, stands_for) in [(id, "ID"), (pod, "UID"), (&pod.replace('-', "_"), "UID")] {
            // A dash stands for nothing.
            if word.len() > 1 {
                path = path.replace(word, stands_for);
            }
        }
        // What is left of ids is around the container.
        let path = path.replace(OUTER, "OUTER");
        let is = if field(3) == "unknown" { "a container" } else { field(3) };
        let origin = if field(2) == "real" { "a live system" } else { "documents" };
        let layout = format!("{}, {}", field(0), field(1));
        paths += &line(&[&format!("`{path}`"), is, &layout, origin]);
    }
    give("paths", &paths);
}

fn line(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn told(proof: &str, live: &str, unit: &str) -> String {
    match proof.split_once(' ') {
        Some(("unit", test)) => {
            assert!(unit.contains(&format!("fn {test}(")), "no unit test is called {test}");
            "files and paths".to_owned()
        }
        _ if proof == "paths" => "paths".to_owned(),
        _ if proof == "-" => "not had".to_owned(),
        _ => {
            assert!(live.contains(&format!("fn {proof}(")), "no live test is called {proof}");
            "**live**".to_owned()
        }
    }
}

/// The text of all Rust files below a folder of the repository.
fn sources(folder: &str) -> String {
    let mut text = String::new();
    let mut waiting = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => waiting.push(path),
                path if path.extension().is_some_and(|kind| kind == "rs") => {
                    text += &fs::read_to_string(path).unwrap_or_default();
                }
                _ => {}
            }
        }
    }
    text
}
