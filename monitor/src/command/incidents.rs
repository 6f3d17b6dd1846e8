//! `gomon incidents`: what an agent has kept, from the agent itself or from the file.

use std::path::Path;

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    ask::{self, escaped},
    exit::{Exit, Failure, OrExit},
    output::Output,
};
use crate::{
    cli::{
        args::Selection,
        incidents::{FilterArgs, IncidentsArgs, IncidentsCommand, ListArgs, ShowArgs, SourceArgs},
    },
    config::{DEFAULT_SOCKET, store::DEFAULT_STORE},
    model::{diagnosis::Severity, incident::Incident, text::inert},
    nearest::nearest,
    patterns::{self, CATALOGUE},
    report::incidents::{self, list, show},
    sink::store::{Listing, Query, Reader, StoreError},
    when::Since,
};

/// Bytes of an agent's answer.
const MAX_ANSWER: usize = 256 << 20;
/// Nothing further happens to it: so many fit an answer.
const MAX_LIMIT: u32 = 100_000;

pub(super) fn run(args: &IncidentsArgs, output: Output) -> Result<Exit, Failure> {
    match &args.command {
        None => run_list(&args.list, output),
        Some(IncidentsCommand::List(args)) => run_list(args, output),
        Some(IncidentsCommand::Show(args)) => run_show(args, output),
    }
}

fn run_list(args: &ListArgs, output: Output) -> Result<Exit, Failure> {
    let Listing { total, incidents } = outlines(&args.source, &query(&args.filter)?)?;
    let text = list(&incidents, total, args.output, &output.theme()).or_exit(Exit::Usage)?;
    output.print(&text).or_exit(Exit::Usage)?;
    let fails = |severity: Severity| incidents.iter().any(|one| one.told.diagnosis.severity >= severity);
    Ok(if args.fail_on.is_some_and(fails) { Exit::Findings } else { Exit::Nothing })
}

fn run_show(args: &ShowArgs, output: Output) -> Result<Exit, Failure> {
    let incident = whole(&args.source, &args.id)?;
    let text = show(&incident, args.output, &output.theme()).or_exit(Exit::Usage)?;
    output.print(&text).or_exit(Exit::Usage)?;
    Ok(Exit::Nothing)
}

/// The incidents that fit, without their timelines.
pub(super) fn outlines(args: &SourceArgs, query: &Query) -> Result<Listing, Failure> {
    match source(args) {
        From::File(path) => read(path, |reader| reader.list(query)),
        From::Agent(socket) => ask_list(socket, query),
    }
}

/// The one incident with this id, with its timeline.
pub(super) fn whole(args: &SourceArgs, id: &str) -> Result<Incident, Failure> {
    let mut found = match source(args) {
        From::File(path) => read(path, |reader| reader.find(id))?,
        From::Agent(socket) => ask_one(socket, id)?,
    };
    match (found.pop(), found.as_slice()) {
        (Some(incident), []) => Ok(incident),
        (None, _) => {
            let id = inert(id);
            let error = anyhow!("there is no incident \"{id}\"; `gomon incidents -A` lists them");
            Err(Failure::new(Exit::NotFound, error))
        }
        (Some(last), _) => {
            found.push(last);
            Err(ambiguous(id, &found))
        }
    }
}

fn ambiguous(id: &str, several: &[Incident]) -> Failure {
    let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
    Failure::new(Exit::Usage, anyhow!("several incidents begin with \"{}\": {}", inert(id), ids.join(", ")))
}

/// Where incidents come from.
enum From<'a> {
    File(&'a Path),
    Agent(&'a Path),
}

fn source(args: &SourceArgs) -> From<'_> {
    match (&args.store, &args.socket) {
        (Some(path), _) => From::File(path),
        (None, socket) => From::Agent(socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET))),
    }
}

pub(super) fn query(args: &FilterArgs) -> Result<Query, Failure> {
    if let Some(id) = &args.pattern
        && patterns::find(id).is_none()
    {
        let near = nearest(id, CATALOGUE.iter().map(|pattern| pattern.id));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        return Err(Failure::new(Exit::Usage, anyhow!("there is no pattern \"{}\"{hint}", inert(id))));
    }
    let now = Timestamp::now();
    let nanos = |when: Option<Since>| {
        when.map(|when| i64::try_from(when.start(now).as_nanosecond()).unwrap_or(i64::MIN))
    };
    let Selection { namespace, pod, container } = args.selection.clone();
    Ok(Query {
        namespace,
        pod,
        container,
        pattern: args.pattern.clone(),
        min_severity: (!args.all).then_some(args.min_severity),
        since: nanos(args.since),
        until: nanos(args.until),
        limit: Some(args.limit.min(MAX_LIMIT)),
    })
}

fn read<T>(path: &Path, look: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Result<T, Failure> {
    Reader::open(path).and_then(|reader| look(&reader)).map_err(|error| {
        let exit = if matches!(error, StoreError::Missing { .. }) { Exit::NotFound } else { Exit::Usage };
        Failure::new(exit, error)
    })
}

fn ask_list(socket: &Path, query: &Query) -> Result<Listing, Failure> {
    let path = format!("/api/v1/incidents?{}", parameters(query));
    match answer(socket, &path)? {
        Some(body) => {
            let (incidents, total) = incidents::read(&body).or_exit(Exit::Usage)?;
            Ok(Listing { total, incidents })
        }
        None => read_default(socket, |reader| reader.list(query)),
    }
}

fn ask_one(socket: &Path, id: &str) -> Result<Vec<Incident>, Failure> {
    match answer(socket, &format!("/api/v1/incidents/{}", escaped(id)))? {
        Some(body) if body.is_empty() => Ok(Vec::new()),
        Some(body) => Ok(vec![incidents::read_one(&body).or_exit(Exit::Usage)?]),
        None => read_default(socket, |reader| reader.find(id)),
    }
}

/// Without an agent its file still tells, where it is in the usual place.
fn read_default<T>(socket: &Path, look: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Result<T, Failure> {
    let path = Path::new(DEFAULT_STORE);
    let is_default = socket == Path::new(DEFAULT_SOCKET);
    if is_default && path.exists() {
        tracing::warn!("no agent answers on {}: reading {}", socket.display(), path.display());
        return read(path, look);
    }
    let error = anyhow!(
        "no agent answers on {}: start it, name its socket with --socket, or a file with --store",
        socket.display()
    );
    Err(Failure::new(Exit::NotFound, error))
}

/// The agent's words about what it cannot do.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// `None` where no agent listens; empty where it has no such incident.
fn answer(socket: &Path, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime").or_exit(Exit::Usage)?;
    let told = match runtime.block_on(ask::get(socket, path, MAX_ANSWER)) {
        Err(error) if ask::is_nobody(&error) => return Ok(None),
        other => other
            .with_context(|| format!("cannot ask the agent on {}", socket.display()))
            .or_exit(Exit::Usage)?,
    };
    if told.status.is_success() {
        return Ok(Some(told.body.to_vec()));
    }
    let refusal: Refusal = serde_json::from_slice(&told.body)
        .unwrap_or_else(|_| Refusal { error: String::from_utf8_lossy(&told.body).into_owned() });
    if told.status.as_u16() == 404 && refusal.error.starts_with("there is no incident") {
        return Ok(Some(Vec::new()));
    }
    Err(Failure::new(Exit::Usage, anyhow!("the agent answers {}: {}", told.status, inert(&refusal.error))))
}

fn parameters(query: &Query) -> String {
    let Query { namespace, pod, container, pattern, min_severity, since, until, limit } = query;
    let time = |nanos: &Option<i64>| {
        nanos
            .and_then(|nanos| Timestamp::from_nanosecond(i128::from(nanos)).ok())
            .map(|time| time.to_string())
    };
    let all = [
        ("namespace", namespace.clone()),
        ("pod", pod.clone()),
        ("container", container.clone()),
        ("pattern", pattern.clone()),
        ("min_severity", min_severity.map(|severity| severity.name().to_owned())),
        ("since", time(since)),
        ("until", time(until)),
        ("limit", limit.map(|limit| limit.to_string())),
    ];
    let pairs = all.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(&value?))));
    pairs.collect::<Vec<_>>().join("&")
}
