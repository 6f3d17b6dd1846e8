//! The tables of docs/runtimes.md, from the lists that tests go through. A live test that is named has to exist.

use std::{fs, path::PathBuf};

const LAYOUTS: &str = include_str!("runtimes.tsv");
const PATHS: &str = include_str!("../../monitor/src/attribution/paths.tsv");

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Gives each table by its name.
pub(crate) fn tables(mut give: impl FnMut(&str, &str)) {
    let live = sources("tests/live");
    let unit = sources("monitor/src");
    let mut layouts = String::from("| runtime | driver | hybrid | v1 | v2 |\n|---|---|---|---|---|\n");
    for row in rows(LAYOUTS) {
        let [runtime, driver, proofs @ ..] = row.as_slice() else { panic!("{row:?}") };
        let proofs: Vec<String> = proofs.iter().map(|proof| told(proof, &live, &unit)).collect();
        assert_eq!(proofs.len(), 3, "{row:?}");
        layouts.push_str(&format!("| {runtime} | {driver} | {} |\n", proofs.join(" | ")));
    }
    give("layouts", &layouts);
    let mut paths = String::from("| path | is | layout, driver | known from |\n|---|---|---|---|\n");
    for row in rows(PATHS) {
        let [layout, driver, origin, runtime, id, pod, path] = row.as_slice() else { panic!("{row:?}") };
        let path = path.replace(*id, "ID").replace(*pod, "UID").replace(&pod.replace('-', "_"), "UID");
        let is = if *runtime == "unknown" { "a container" } else { runtime };
        let origin = if *origin == "real" { "a live system" } else { "documents" };
        paths.push_str(&format!("| `{path}` | {is} | {layout}, {driver} | {origin} |\n"));
    }
    give("paths", &paths);
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
