//! One check of `gomon doctor`, and how all of them look. Pure.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    model::{diagnosis::Severity, text::inert},
    report::{Theme, json::SCHEMA_VERSION},
};

/// What the name of a hook's check begins with.
pub(super) const HOOK: &str = "hook:";

/// What a check came to. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// gomon observes, and less than it could.
    Degraded,
    /// gomon cannot observe without it.
    Missing,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Missing => "missing",
        }
    }
}

/// One check. The field names are API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// Stable; a colon parts a kind from its instance.
    pub(super) name: String,
    pub(super) state: State,
    pub(super) found: String,
    /// What is lost, and what to do; nothing where all is well.
    pub(super) remedy: Option<String>,
}

impl Check {
    pub(super) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, found: found.into(), remedy: None }
    }

    pub(super) fn degraded(
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { state: State::Degraded, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    pub(super) fn missing(
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { state: State::Missing, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    fn inert(&self) -> Self {
        let Self { name, state, found, remedy } = self;
        let inert = |text: &String| inert(text).into_owned();
        Self { name: inert(name), state: *state, found: inert(found), remedy: remedy.as_ref().map(inert) }
    }
}

/// `{"schema_version":1,"checks":[…]}` and a line break.
pub(super) fn json(checks: &[Check]) -> String {
    let checks: Vec<Check> = checks.iter().map(Check::inert).collect();
    format!("{}\n", serde_json::json!({ "schema_version": SCHEMA_VERSION, "checks": checks }))
}

/// A line for each check, its remedy below it, and the sum.
pub(super) fn columns(checks: &[Check], theme: &Theme) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for Check { name, state, found, remedy } in checks {
        let style = match state {
            State::Ok => theme.good(),
            State::Degraded => theme.severity(Severity::Warning),
            State::Missing => theme.severity(Severity::Error),
        };
        let state = format!("{:8}", state.name());
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{style}{state}{style:#}  {:width$}  {}", inert(name), inert(found));
        if let Some(remedy) = remedy {
            let _ = writeln!(out, "{:8}  {:width$}  {}", "", "", inert(remedy));
        }
    }
    let _ = writeln!(out, "\n{}", sum(checks));
    out
}

fn sum(checks: &[Check]) -> String {
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    match (count(State::Missing), count(State::Degraded)) {
        (0, 0) => "gomon can observe here.".to_owned(),
        (0, degraded) => format!("gomon can observe here, less than it could: {degraded} degraded."),
        (missing, 0) => format!("gomon cannot observe here: {missing} missing."),
        (missing, degraded) => {
            format!("gomon cannot observe here: {missing} missing, {degraded} degraded.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![
            Check::ok("kernel", "6.1"),
            Check::degraded("hook:sys_exit", "off\u{1b}[2J", "Do this."),
            Check::missing("btf", "none", "Do that."),
        ]
    }

    #[test]
    fn columns_show_each_check_its_remedy_and_the_sum() {
        let expected = "ok        kernel         6.1\n\
            degraded  hook:sys_exit  off\\u{1b}[2J\n                         Do this.\n\
            missing   btf            none\n                         Do that.\n\
            \ngomon cannot observe here: 1 missing, 1 degraded.\n";
        assert_eq!(columns(&checks(), &Theme::plain()), expected);
        assert_eq!(sum(&[]), "gomon can observe here.");
    }

    #[test]
    fn json_has_the_published_fields() {
        let value: serde_json::Value = serde_json::from_str(&json(&checks())).unwrap();
        assert_eq!(value["schema_version"], 1);
        let ok = serde_json::json!({"name": "kernel", "state": "ok", "found": "6.1", "remedy": null});
        assert_eq!(value["checks"][0], ok);
        assert_eq!(value["checks"][2]["state"], "missing");
    }
}
