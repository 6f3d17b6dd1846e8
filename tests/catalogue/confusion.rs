//! Pattern against scenario: what each pattern says of the recordings of all others. `docs/confusion.md` keeps the table.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, io::Write as _, path::Path};

use gomon::{
    model::diagnosis::Severity,
    patterns::{CATALOGUE, find},
};

use super::scenario::{Scenario, all, diagnoses};

const HEAD: &str = "# Confusion matrix

Each scenario is the recording of a real container, kept in `tests/scenarios`: of one that fails as the pattern says
(`fires`), or of a healthy or differently failing one that looks like it (`near-miss`). A row has the recordings of one
kind, a column what a pattern said of them: in how many of them it was found at its own severity or above. Off the
diagonal stand causes and consequences that come together, and other failures that serve as near misses.

Generated from a replay of all scenarios by `tests/catalogue/confusion.rs`; what only informs is told in rows of its own
pattern alone.
";

/// How often each pattern was found in the scenarios of one kind.
#[derive(Default)]
struct Row {
    scenarios: usize,
    found: BTreeMap<String, usize>,
}

fn counts(pattern: &str, severity: Severity, scenario: &Scenario) -> bool {
    let own = find(pattern).map_or(Severity::Error, |pattern| pattern.severity);
    let is_telling = severity > Severity::Info || pattern == scenario.pattern;
    is_telling && severity >= own.min(Severity::Warning)
}

fn rows() -> BTreeMap<(String, bool), Row> {
    let mut rows: BTreeMap<(String, bool), Row> = BTreeMap::new();
    for scenario in all() {
        let row = rows.entry((scenario.pattern.clone(), scenario.fires)).or_default();
        row.scenarios += 1;
        let found = diagnoses(&scenario.observations);
        let mut names: Vec<String> = found
            .into_iter()
            .filter(|(pattern, severity)| counts(pattern, *severity, &scenario))
            .map(|(pattern, _)| pattern)
            .collect();
        names.dedup();
        for name in names {
            *row.found.entry(name).or_default() += 1;
        }
    }
    rows
}

/// The table in full, its columns numbered in the order of the catalogue.
fn matrix(rows: &BTreeMap<(String, bool), Row>) -> String {
    let width = CATALOGUE.iter().map(|pattern| pattern.id.len()).max().unwrap_or(0);
    let mut out = String::from("```text\n");
    let _ = write!(out, "{:>3} {:width$} {:9} {:>3} ", "", "scenarios of", "kind", "n");
    for number in 1..=CATALOGUE.len() {
        let _ = write!(out, " {number:>2}");
    }
    out.push('\n');
    for (number, pattern) in (1..).zip(CATALOGUE) {
        for (fires, kind) in [(true, "fires"), (false, "near-miss")] {
            let Some(row) = rows.get(&(pattern.id.to_owned(), fires)) else { continue };
            let _ = write!(out, "{number:>3} {:width$} {kind:9} {:>3} ", pattern.id, row.scenarios);
            for column in CATALOGUE {
                match row.found.get(column.id) {
                    Some(count) => drop(write!(out, " {count:>2}")),
                    None => out.push_str("  ."),
                }
            }
            out.push('\n');
        }
    }
    out + "```\n"
}

/// What was found beside the pattern of the scenarios, in words.
fn beside(rows: &BTreeMap<(String, bool), Row>) -> String {
    let mut out =
        String::from("\n## Found off the diagonal\n\n| scenarios of | kind | also found |\n|---|---|---|\n");
    for ((pattern, fires), row) in rows {
        let others: Vec<String> = row
            .found
            .iter()
            .filter(|(found, _)| *found != pattern)
            .map(|(found, count)| format!("{found} ({count})"))
            .collect();
        if !others.is_empty() {
            let kind = if *fires { "fires" } else { "near-miss" };
            let _ = writeln!(out, "| {pattern} | {kind} | {} |", others.join(", "));
        }
    }
    out
}

#[test]
fn every_pattern_is_told_from_its_neighbours_and_the_table_says_so() {
    let rows = rows();
    let page = format!("{HEAD}\n{}{}", matrix(&rows), beside(&rows));
    // Past the runner's capture: whoever runs the tests sees the table.
    std::io::stdout().write_all(format!("\n{page}").as_bytes()).unwrap();
    for ((pattern, fires), row) in &rows {
        let own = row.found.get(pattern).copied().unwrap_or(0);
        assert_eq!(
            own,
            if *fires { row.scenarios } else { 0 },
            "{pattern}: found in {own} of {}",
            row.scenarios
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/confusion.md");
    if env::var_os("GOMON_UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page,
        "docs/confusion.md is not what the scenarios say: GOMON_UPDATE_DOCS=1 cargo test --test catalogue"
    );
}
