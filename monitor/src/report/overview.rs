//! The pages of an agent beside its reports: what it has found, whether it sees, what it lost, and where else to ask. Pure;
//! no string from outside becomes markup.

use maud::{Markup, html};

use super::{
    html::{Form, badge, page, time},
    postmortem::named,
};
use crate::model::{
    diagnosis::{Diagnosis, Severity},
    incident::Incident,
    text::{inert, inert_short},
};

/// Paths of the agent, and what is there.
pub const ENDPOINTS: [(&str, &str); 8] = [
    ("/", "this page; it takes the parameters of /api/v1/incidents"),
    ("/incidents/ID", "the postmortem of an incident"),
    (
        "/api/v1/incidents",
        "kept incidents as JSON: container, namespace, pod, pattern, min_severity, since, until, limit",
    ),
    ("/api/v1/incidents/ID", "one of them, with its timeline"),
    ("/api/v1/diagnoses", "what was found since the agent started, as JSON: container, since"),
    ("/metrics", "metrics for Prometheus"),
    ("/healthz", "alive: the pipeline goes on"),
    ("/readyz", "ready: gomon sees"),
];

const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Error];
/// Characters of a filter that are shown again.
const FILTER: usize = 200;

/// What the first page of an agent shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    pub version: String,
    /// Why gomon does not see; empty where it does.
    pub not_ready: Vec<String>,
    pub sight: Sight,
    pub filter: Filter,
    pub kept: Kept,
}

/// What an agent does not see and what it lost since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Probes that are not attached.
    pub detached: Vec<&'static str>,
    /// Patterns whose answer is "cannot tell" for want of a probe.
    pub blind: Vec<&'static str>,
    /// Incidents that wait because the store cannot be written; `None` where it can.
    pub unwritten: Option<u64>,
    /// Where and why something was given up, and how often.
    pub lost: Vec<([&'static str; 2], u64)>,
}

/// What was asked for, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub container: String,
    pub namespace: String,
    pub pattern: String,
    pub since: String,
    pub min_severity: Severity,
}

/// The incidents, or why there are none to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The agent was started without a store.
    NoStore,
    Unreadable(String),
    Listed {
        incidents: Vec<Incident>,
        total: u64,
    },
}

/// The first page of an agent.
#[must_use]
pub fn overview(overview: &Overview) -> String {
    let Overview { version, not_ready, sight, filter, kept } = overview;
    let body = html! {
        header {
            p.kicker { "gomon " (inert(version)) }
            h1 { "Incidents" }
            (readiness(not_ready))
        }
        main {
            (form(filter))
            @match kept {
                Kept::NoStore => {
                    div.card.warning {
                        p { "This agent keeps no incidents: it was started without a store." }
                        p { "What it has found since its start is at " a href="/api/v1/diagnoses" { "/api/v1/diagnoses" } "." }
                    }
                }
                Kept::Unreadable(why) => {
                    div.card.error { p { "The store cannot be read: " (inert(why)) } }
                }
                Kept::Listed { incidents, total } => {
                    @if let Some(waiting) = sight.unwritten {
                        div.card.error {
                            p { "The store cannot be written now: what was found of late is not here. " (waiting) " wait." }
                        }
                    }
                    (listed(incidents, *total))
                }
            }
            h2 { "What gomon sees here" }
            (seen(sight))
            h2 { "Where to ask" }
            dl.facts { @for (path, what) in ENDPOINTS { dt { (endpoint(path)) } dd { (what) } } }
        }
        footer { p { "Read-only. All times are UTC. The page does not renew itself." } }
    };
    page("Incidents", Form::Own, &body)
}

/// A page that says why there is no other.
#[must_use]
pub fn refusal(status: u16, why: &str) -> String {
    let body = html! {
        header { p.kicker { "gomon" } h1 { (status) } }
        main { p.lede { (inert(why)) } p { a href="/" { "All incidents" } } }
    };
    page(&status.to_string(), Form::None, &body)
}

fn readiness(not_ready: &[String]) -> Markup {
    html! {
        @if not_ready.is_empty() {
            p { span class="badge good" { "ready" } " gomon sees this machine's containers." }
        } @else {
            div.card.error {
                p { span class="badge error" { "not ready" } "What happens now may be missed." }
                ul { @for reason in not_ready { li { (inert(reason)) } } }
            }
        }
    }
}

fn form(filter: &Filter) -> Markup {
    let Filter { container, namespace, pattern, since, min_severity } = filter;
    let field = |label: &str, name: &str, value: &str, hint: &str| {
        html! {
            label { (label) input type="text" name=(name) value=(inert_short(value, FILTER)) placeholder=(hint) autocomplete="off"; }
        }
    };
    html! {
        form method="get" action="/" {
            (field("Container, pod or id", "container", container, "api"))
            (field("Namespace", "namespace", namespace, "shop"))
            (field("Pattern", "pattern", pattern, "oom-kill"))
            (field("Seen since", "since", since, "10m, 1d"))
            label {
                "Severity from"
                select name="min_severity" {
                    @for one in SEVERITIES { option value=(one.name()) selected[one == *min_severity] { (one.name()) } }
                }
            }
            div.go { button type="submit" { "Show" } }
        }
    }
}

fn listed(incidents: &[Incident], total: u64) -> Markup {
    let more = total.saturating_sub(u64::try_from(incidents.len()).unwrap_or(u64::MAX));
    html! {
        @if incidents.is_empty() { p { "No incident fits." } } @else {
            table.stack role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for head in ["Severity", "Last seen", "Container", "What failed", "Count"] {
                            th role="columnheader" scope="col" { (head) }
                        }
                    }
                }
                tbody role="rowgroup" { @for incident in incidents { (line(incident)) } }
            }
        }
        @if more > 0 { p.soft { (more) " more: the parameter limit shows up to 1000." } }
    }
}

fn line(incident: &Incident) -> Markup {
    let Diagnosis { pattern, severity, summary, last_seen, count, consequence_of, .. } =
        &incident.told.diagnosis;
    html! {
        tr role="row" {
            td.id role="cell" { (badge(*severity)) }
            td.when role="cell" { (time(*last_seen)) }
            td role="cell" { (named(incident)) }
            td.fact role="cell" {
                a href={ "/incidents/" (inert(&incident.id)) } { (inert(pattern)) }
                " " span.actor { (inert(summary)) }
                @if let Some(cause) = consequence_of { " " span.actor { "consequence of " (inert(cause)) } }
            }
            td.tight role="cell" data-head="count" { (count) }
        }
    }
}

fn seen(sight: &Sight) -> Markup {
    let Sight { detached, blind, lost, unwritten: _ } = sight;
    html! {
        @if detached.is_empty() && lost.is_empty() {
            p { "All probes are attached, and nothing was lost since the agent started." }
        }
        @if !detached.is_empty() {
            p { "Probes that are not attached: " (detached.join(", ")) ". "
                @if !blind.is_empty() { "For want of them, cannot tell: " (blind.join(", ")) "." } }
        }
        @if !lost.is_empty() {
            p { "Given up since the agent started:" }
            ul { @for ([stage, reason], count) in lost { li { (count) " " (stage) "/" (reason) } } }
            p.soft { "An answer about a container whose events were lost says so. " a href="/metrics" { "/metrics" } " has the numbers." }
        }
    }
}

/// A path that can be followed as it stands is a link.
fn endpoint(path: &str) -> Markup {
    html! { @if path.ends_with("ID") { code { (path) } } @else { a href=(path) { code { (path) } } } }
}
