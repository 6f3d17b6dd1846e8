//! The dashboards as Grafana reads them: their panels, and their queries with the variables filled in.

use std::{fs, path::Path};

use serde_json::Value;

pub(crate) const NAMES: [&str; 3] = ["fleet", "container", "agent"];

/// One query of a panel, a variable or an annotation.
pub(crate) struct Query {
    /// Dashboard and panel.
    pub(crate) place: String,
    pub(crate) expr: String,
}

/// A dashboard by its name in deploy/grafana.
pub(crate) fn dashboard(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../deploy/grafana/{name}.json"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What a field of a dashboard lists.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The panels that show something.
pub(crate) fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "/panels").iter().filter(|panel| panel["type"] != "row")
}

/// What a dashboard asks Prometheus, with its variables in it.
pub(crate) fn queries(name: &str) -> Vec<Query> {
    let dashboard = dashboard(name);
    let query = |place: &Value, expr: &Value| Query {
        place: format!("{name}: {}", place.as_str().unwrap_or_default()),
        expr: expr.as_str().unwrap_or_default().to_owned(),
    };
    let mut queries: Vec<Query> = panels(&dashboard)
        .flat_map(|panel| {
            list(panel, "/targets").iter().map(|target| query(&panel["title"], &target["expr"]))
        })
        .collect();
    let annotations = list(&dashboard, "/annotations/list");
    queries.extend(annotations.iter().map(|one| query(&one["name"], &one["expr"])));
    // `label_values(SELECTOR, LABEL)` is Grafana's own: what it asks is the selector.
    let variables =
        list(&dashboard, "/templating/list").iter().filter(|variable| variable["type"] == "query");
    queries.extend(variables.map(|variable| {
        let asked = variable["definition"].as_str().unwrap_or_default();
        let selector = asked.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(", "));
        let expr = selector.map_or_else(|| asked.to_owned(), |(selector, _)| selector.to_owned());
        Query { place: format!("{name}: variable {}", variable["name"]), expr }
    }));
    queries
}

/// A query as Grafana sends it when every variable is at "All".
pub(crate) fn filled(expr: &str) -> String {
    let mut filled = expr.replace("$__rate_interval", "1m");
    for variable in ["namespace", "pod", "container", "instance"] {
        filled = filled.replace(&format!("=~\"${variable}\""), "=~\".*\"");
    }
    filled
}
