//! The generated pages of docs/ say what the code says; `GOMON_UPDATE_DOCS=1` rewrites them.

#[path = "docs/firing.rs"]
mod firing;
#[path = "docs/runtimes.rs"]
mod runtimes;
#[path = "docs/threats.rs"]
mod threats;

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use gomon::{
    patterns::CATALOGUE,
    report::explain,
    sink::{
        metrics::{self, alerts},
        otlp::fields,
    },
};

/// A file below docs/.
fn check(name: &str, generated: &str) {
    check_file(&format!("docs/{name}"), generated);
}

fn check_file(name: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    if env::var_os("GOMON_UPDATE_DOCS").is_some() {
        let written = fs::write(&path, generated);
        assert!(written.is_ok(), "cannot write {name}: {written:?}");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "{name} is not what the code says: GOMON_UPDATE_DOCS=1 cargo test --test docs"
    );
}

#[test]
fn the_page_of_metrics_is_generated() {
    check("metrics.md", &metrics::book());
}

/// `<!-- table: NAME -->` and what follows up to the next blank line, as it has to be.
fn check_table(page: &str, name: &str, rows: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = fs::read_to_string(path).unwrap_or_default();
    let mark = format!("<!-- table: {name} -->\n");
    let (before, after) = text.split_once(&mark).unwrap_or_default();
    let end = after.find("\n\n").map_or(after.len(), |end| end + 1);
    check(page, &format!("{before}{mark}{rows}{}", after.get(end..).unwrap_or_default()));
}

#[test]
fn the_tables_of_runtimes_are_generated_and_every_live_test_that_they_name_exists() {
    runtimes::tables(|name, rows| check_table("runtimes.md", name, rows));
}

#[test]
fn the_table_of_what_a_log_record_says_is_generated() {
    check_table("otlp.md", "fields", &fields::table());
}

#[test]
fn the_page_of_patterns_is_generated() {
    check("patterns.md", &explain::index(CATALOGUE));
}

#[test]
fn every_pattern_has_a_page_of_its_own_and_no_page_is_left_over() {
    for pattern in CATALOGUE {
        check(&format!("patterns/{}.md", pattern.id), &explain::page(pattern));
    }
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/patterns");
    let pages = fs::read_dir(dir).into_iter().flatten().flatten();
    let pages: BTreeSet<String> =
        pages.map(|page| page.file_name().to_string_lossy().trim_end_matches(".md").to_owned()).collect();
    let ids: BTreeSet<String> = CATALOGUE.iter().map(|pattern| pattern.id.to_owned()).collect();
    assert_eq!(pages, ids);
}

#[test]
fn rules_of_prometheus_their_page_and_the_test_that_each_fires_are_generated() {
    check("alerts.md", &alerts::page());
    check_file("deploy/prometheus/gomon.rules.yaml", &alerts::rules());
    check_file("deploy/prometheus/tests/findings.yaml", &firing::findings());
}

#[test]
fn every_promise_of_the_threat_model_names_tests_that_exist() {
    let faults = threats::faults(include_str!("../docs/threat-model.md"));
    assert!(faults.is_empty(), "docs/threat-model.md:\n  {}", faults.join("\n  "));
}
