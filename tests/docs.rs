//! The generated pages of docs/ say what the code says; `GOMON_UPDATE_DOCS=1` rewrites them.

use std::{env, fs, path::PathBuf};

use gomon::{patterns::CATALOGUE, report::explain, sink::metrics};

fn check(name: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if env::var_os("GOMON_UPDATE_DOCS").is_some() {
        let written = fs::write(&path, generated);
        assert!(written.is_ok(), "cannot write docs/{name}: {written:?}");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "docs/{name} is not what the code says: GOMON_UPDATE_DOCS=1 cargo test --test docs"
    );
}

#[test]
fn the_page_of_metrics_is_generated() {
    check("metrics.md", &metrics::book());
}

#[test]
fn the_page_of_patterns_is_generated() {
    check("patterns.md", &explain::book(CATALOGUE));
}
