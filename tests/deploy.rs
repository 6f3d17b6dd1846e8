//! What is shipped for Prometheus and Grafana: rules that hold, queries that name real metrics, dashboards that explain.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

#[path = "deploy/dashboards.rs"]
mod dashboards;
#[path = "deploy/promql.rs"]
mod promql;
#[path = "live/support/tools.rs"]
mod tools;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gomon::sink::metrics::alerts::{RECORDINGS, of_findings, of_gomon};
use serde::Deserialize;
use serde_json::Value;

/// deploy/ of this repository.
fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// What a tool said, and whether it succeeded.
fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

/// Runs promtool, or says that it is not there.
fn promtool(what: &str, args: &[&str]) {
    let Some(promtool) = tools::tool("promtool", "promtool") else {
        return tools::skip(what, "promtool is not installed; `cargo xtask setup` fetches it");
    };
    let (is_good, text) = said(Command::new(promtool).args(args).current_dir(deploy("prometheus")));
    assert!(is_good, "{what}: {text}");
}

#[test]
fn promtool_accepts_the_rules_and_the_example() {
    promtool("promtool check rules", &["check", "rules", "gomon.rules.yaml"]);
    promtool("promtool check config", &["check", "config", "scrape.example.yaml"]);
}

#[test]
fn the_rules_do_what_their_tests_say() {
    for file in ["findings", "cases", "agent"] {
        promtool("promtool test rules", &["test", "rules", &format!("tests/{file}.yaml")]);
    }
}

/// A file of rules as Prometheus reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    record: Option<String>,
    #[serde(default)]
    alert: Option<String>,
    expr: String,
    #[serde(default, rename = "for")]
    holds: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(deploy("prometheus/gomon.rules.yaml")).unwrap();
    let Rules { groups } = serde_saphyr::from_str(&text).unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["gomon-recording", "gomon-findings", "gomon-agent"]);
    groups.into_iter().flat_map(|group| group.rules).collect()
}

#[test]
fn every_alert_says_what_why_and_what_to_do_and_its_page_exists() {
    let alerts: Vec<Rule> = rules().into_iter().filter(|rule| rule.alert.is_some()).collect();
    let written = [of_findings(), of_gomon()].concat();
    assert_eq!(alerts.len(), written.len());
    for (alert, written) in alerts.iter().zip(written) {
        let name = alert.alert.as_deref().unwrap();
        assert_eq!((name, alert.expr.as_str()), (written.name.as_str(), written.expr.as_str()));
        assert!(alert.holds.as_deref().is_some_and(|holds| holds.ends_with('m')), "{name}");
        assert!(alert.labels.keys().eq(["severity"]), "{name}");
        assert!(alert.annotations.keys().eq(["description", "runbook_url", "summary"]), "{name}");
        assert!(!alert.annotations["summary"].contains("{{"), "{name}: a summary is constant");
        assert!(alert.annotations["description"].contains("\n\n"), "{name}: what, and what to do");
        let (_, page) = alert.annotations["runbook_url"].split_once("/blob/main/").unwrap();
        let (page, section) = page.split_once('#').unwrap_or((page, ""));
        let text = fs::read_to_string(deploy("..").join(page)).unwrap().to_ascii_lowercase();
        assert!(
            section.is_empty() || text.contains(&format!("\n### {section}\n")),
            "{name}: {page}#{section}"
        );
    }
}

#[test]
fn rules_ask_for_metrics_and_labels_that_exist() {
    for rule in rules() {
        let name = rule.record.or(rule.alert).unwrap();
        let faults = promql::faults(&rule.expr);
        // It is there only where a scrape job is wrong, which is what the alert tells.
        let is_meant = |fault: &&String| !fault.contains("exported_container");
        let faults: Vec<&String> = faults.iter().filter(is_meant).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
    assert!(RECORDINGS.iter().all(|recording| recording.name.matches(':').count() == 2));
}

#[test]
fn every_alert_about_gomon_fires_in_a_rule_test() {
    let tests = fs::read_to_string(deploy("prometheus/tests/agent.yaml")).unwrap();
    let fired: BTreeSet<&str> =
        tests.split("alertname=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let names: BTreeSet<String> = of_gomon().into_iter().map(|alert| alert.name).collect();
    assert_eq!(fired, names.iter().map(String::as_str).collect());
}

#[test]
fn a_query_that_names_what_does_not_exist_is_told() {
    assert_eq!(promql::faults(r#"sum by (pattern) (gomon_diagnosis_active{severity="error"})"#), [""; 0]);
    for (query, fault) in [
        ("gomon_no_such_total", "no metric is called gomon_no_such_total"),
        (r#"gomon_ready{pattern="x"}"#, "gomon_ready has no label pattern"),
        ("sum by (patern) (gomon_diagnosis_active)", "no metric of the query has a label patern"),
    ] {
        assert_eq!(promql::faults(query), [fault], "{query}");
    }
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_takes_its_data_source_from_a_variable() {
    for name in dashboards::NAMES {
        let dashboard = dashboards::dashboard(name);
        assert_eq!(dashboard["uid"], format!("gomon-{name}"));
        let mut ids = BTreeSet::new();
        for panel in dashboards::panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}");
            for (what, field) in [("description", "/description"), ("unit", "/fieldConfig/defaults/unit")] {
                let said = panel.pointer(field).and_then(Value::as_str).unwrap_or_default();
                assert!(!said.is_empty(), "{name}: {title} has no {what}");
            }
            let asked = dashboards::list(panel, "/targets");
            assert!(!asked.is_empty(), "{name}: {title}");
            for source in asked.iter().map(|target| &target["datasource"]).chain([&panel["datasource"]]) {
                assert_eq!(source["uid"], "${datasource}", "{name}: {title}");
                assert_eq!(source["type"], "prometheus", "{name}: {title}");
            }
        }
    }
}

#[test]
fn every_variable_of_a_dashboard_exists_and_is_used() {
    for name in dashboards::NAMES {
        let dashboard = dashboards::dashboard(name);
        let variables = dashboards::list(&dashboard, "/templating/list");
        assert_eq!(
            (&variables[0]["type"], &variables[0]["query"]),
            (&"datasource".into(), &"prometheus".into())
        );
        let names: BTreeSet<&str> =
            variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        let asked: String = dashboards::queries(name).into_iter().map(|query| query.expr + "\n").collect();
        for variable in names.iter().filter(|name| **name != "datasource") {
            assert!(asked.contains(&format!("${variable}\"")), "{name}: nothing asks for {variable}");
        }
        let used = asked.split('$').skip(1).filter_map(|rest| rest.split(['"', ']']).next());
        for variable in used.filter(|variable| *variable != "__rate_interval") {
            assert!(names.contains(variable), "{name}: there is no variable {variable}");
        }
    }
}

#[test]
fn dashboards_ask_for_metrics_and_labels_that_exist() {
    for query in dashboards::NAMES.iter().flat_map(|name| dashboards::queries(name)) {
        let filled = dashboards::filled(&query.expr);
        assert!(!filled.contains('$'), "{}: {filled}", query.place);
        assert_eq!(promql::faults(&filled), [""; 0], "{}: {filled}", query.place);
    }
}

#[test]
fn links_between_dashboards_lead_to_one() {
    for name in dashboards::NAMES {
        let text = dashboards::dashboard(name).to_string();
        for target in text.split("/d/gomon-").skip(1).filter_map(|rest| rest.split(['?', '"']).next()) {
            assert!(dashboards::NAMES.contains(&target), "{name}: {target}");
        }
    }
}
