//! The rule test that lets every alert about a finding fire once, and that of no remark; promtool runs it.

use std::fmt::Write as _;

use gomon::{
    model::diagnosis::Severity,
    patterns::{CATALOGUE, Pattern},
    sink::metrics::alerts::{Alert, of_findings},
};

/// Minutes after which warnings fire as well.
const FIRED: &str = "6m";

/// All of deploy/prometheus/tests/findings.yaml.
pub(crate) fn findings() -> String {
    let mut out = "# Generated: GOMON_UPDATE_DOCS=1 cargo test --test docs\n\
                   rule_files: [../gomon.rules.yaml]\nevaluation_interval: 1m\ntests:\n  \
                   - name: every alert about a finding fires, and none about a remark\n    interval: 1m\n    \
                   input_series:\n      - {series: 'up{job=\"gomon\"}', values: '1x10'}\n"
        .to_owned();
    for Pattern { id, severity, .. } in CATALOGUE {
        let graver = if *severity == Severity::Info { Severity::Warning } else { *severity };
        for severity in [graver, Severity::Info] {
            let labels =
                format!("namespace=\"\",pod=\"\",container=\"api\",pattern=\"{id}\",severity=\"{severity}\"");
            let _ = writeln!(
                out,
                "      - {{series: 'gomon_diagnosis_active{{{labels},job=\"gomon\",instance=\"node:9477\"}}', values: '1x10'}}"
            );
        }
    }
    let _ = write!(
        out,
        "    promql_expr_test:\n      - expr: count by (alertname, severity) (ALERTS{{alertstate=\"firing\"}})\n        \
         eval_time: {FIRED}\n        exp_samples:\n"
    );
    for Alert { name, runbook, .. } in of_findings() {
        let (severity, count) =
            match CATALOGUE.iter().find(|pattern| runbook == format!("patterns/{}.md", pattern.id)) {
                Some(pattern) if pattern.severity == Severity::Error => ("critical", 1),
                Some(_) => ("warning", 1),
                None => {
                    ("warning", CATALOGUE.iter().filter(|pattern| pattern.severity == Severity::Info).count())
                }
            };
        let _ = writeln!(
            out,
            "          - {{labels: '{{alertname=\"{name}\",severity=\"{severity}\"}}', value: {count}}}"
        );
    }
    out
}
