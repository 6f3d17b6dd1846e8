//! `gomon report`: a postmortem of what an agent has kept, from the agent itself or from the file.

use anyhow::anyhow;
use jiff::Timestamp;

use super::{
    exit::{Exit, Failure, OrExit},
    incidents::{outlines, query, whole},
    output::Output,
};
use crate::{
    cli::{args::Selection, incidents::FilterArgs, parse::PostmortemFormat, report::PostmortemArgs},
    model::{incident::Incident, text::inert},
    report::postmortem::{self, Document, Postmortem, Scope, related},
    sink::store::Query,
    when::Since,
};

/// More than this nobody reads, and each one is asked for by itself.
const MAX_LIMIT: u32 = 500;

pub(super) fn run(args: &PostmortemArgs, output: Output) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    let (asked, total, incidents) = match &args.id {
        Some(id) => {
            let incidents = with_related(args, id)?;
            (format!("incident {}", inert(id)), incidents.len() as u64, incidents)
        }
        None => chosen(args, now)?,
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let Some(report) = Postmortem::new(&incidents, Scope { asked, total, made: now, version }) else {
        let error = anyhow!("there is no such incident; `gomon incidents -A` lists all");
        return Err(Failure::new(Exit::NotFound, error));
    };
    let text = match args.output {
        PostmortemFormat::Markdown => postmortem::markdown(&report),
        PostmortemFormat::Json => {
            serde_json::to_string_pretty(&Document::new(&report)).or_exit(Exit::Usage)? + "\n"
        }
        PostmortemFormat::Html => postmortem::html(&report),
    };
    output.print(&text).or_exit(Exit::Usage)?;
    Ok(Exit::Nothing)
}

/// One incident, and those of its container that brought it about or that it brought about.
fn with_related(args: &PostmortemArgs, id: &str) -> Result<Vec<Incident>, Failure> {
    let incident = whole(&args.source, id)?;
    let container = Some(incident.told.diagnosis.container.0.to_string()).filter(|id| !id.is_empty());
    let query = Query { container, limit: Some(MAX_LIMIT), ..Query::default() };
    let others = outlines(&args.source, &query)?.incidents;
    let (own, further): (Vec<Incident>, Vec<Incident>) =
        related(&incident, &others).into_iter().partition(|one| one.id == incident.id);
    let mut all = own;
    for one in further {
        all.extend(still_there(whole(&args.source, &one.id))?);
    }
    Ok(all)
}

/// All that fit what was asked for.
fn chosen(args: &PostmortemArgs, now: Timestamp) -> Result<(String, u64, Vec<Incident>), Failure> {
    let mut query = query(&args.filter)?;
    query.limit = query.limit.map(|limit| limit.min(MAX_LIMIT));
    let listing = outlines(&args.source, &query)?;
    let mut incidents = Vec::new();
    for one in listing.incidents {
        incidents.extend(still_there(whole(&args.source, &one.id))?);
    }
    Ok((asked(&args.filter, now), listing.total, incidents))
}

/// An incident can become too old between the list and the question for it.
fn still_there(found: Result<Incident, Failure>) -> Result<Option<Incident>, Failure> {
    match found {
        Ok(incident) => Ok(Some(incident)),
        Err(failure) if failure.exit == Exit::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The choice in words.
fn asked(filter: &FilterArgs, now: Timestamp) -> String {
    let FilterArgs { selection, since, until, pattern, min_severity, all, limit: _ } = filter;
    let Selection { namespace, pod, container } = selection;
    let time = |when: &Option<Since>| when.map(|when| format!("{:.0}", when.start(now)));
    let parts = [
        ("namespace", namespace.clone()),
        ("pod", pod.clone()),
        ("container", container.clone()),
        ("pattern", pattern.clone()),
        ("since", time(since)),
        ("until", time(until)),
        ("severity from", (!all).then(|| min_severity.name().to_owned())),
    ];
    let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    parts.collect::<Vec<_>>().join(", ")
}
