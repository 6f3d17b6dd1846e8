//! `/api/v1/incidents`: what the agent's store has. All that it tells is on the disk already.

use std::{path::PathBuf, sync::Arc};

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::JoinError};

use super::{Shared, broken, failure};
use crate::{
    model::{diagnosis::Severity, text::inert},
    report::incidents::{Document, Listed},
    sink::store::{self, Reader, StoreError},
    when::Since,
};

/// Incidents of an answer, where nothing else is asked for.
const LIMIT: u32 = 100;
/// Incidents of an answer at most: they lie in memory while it is sent.
const MAX_LIMIT: u32 = 10_000;
/// Answers that are put together at a time.
static PLACES: Semaphore = Semaphore::const_new(2);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) namespace: Option<String>,
    pod: Option<String>,
    pub(super) container: Option<String>,
    pub(super) pattern: Option<String>,
    pub(super) min_severity: Option<Severity>,
    pub(super) since: Option<String>,
    until: Option<String>,
    limit: Option<u32>,
}

impl Asked {
    pub(super) fn query(self) -> Result<store::Query, String> {
        let now = Timestamp::now();
        let nanos = |text: Option<String>| {
            let time =
                text.map(|text| text.parse::<Since>()).transpose().map_err(|error| error.to_string())?;
            Ok::<_, String>(
                time.map(|time| i64::try_from(time.start(now).as_nanosecond()).unwrap_or(i64::MIN)),
            )
        };
        if self.container.as_deref() == Some("") {
            return Err(
                "container is empty: a name, NAMESPACE/POD[/NAME] or the beginning of an id is needed"
                    .to_owned(),
            );
        }
        Ok(store::Query {
            namespace: self.namespace,
            pod: self.pod,
            container: self.container,
            pattern: self.pattern,
            min_severity: self.min_severity,
            since: nanos(self.since)?,
            until: nanos(self.until)?,
            limit: Some(self.limit.unwrap_or(LIMIT).min(MAX_LIMIT)),
        })
    }
}

pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let query = match asked.map_err(|error| error.body_text()).and_then(|Query(asked)| asked.query()) {
        Ok(query) => query,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error),
    };
    answer(&shared, move |reader| {
        let listing = reader.list(&query)?;
        Ok(Told::new(&Listed::new(&listing.incidents, listing.total)))
    })
    .await
}

pub(super) async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    answer(&shared, move |reader| {
        Ok(match reader.find(&id)?.as_slice() {
            [incident] => Told::new(&Document::new(incident)),
            [] => Told::Refused(StatusCode::NOT_FOUND, format!("there is no incident \"{}\"", inert(&id))),
            several => {
                let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
                let error = format!("several incidents begin with \"{}\": {}", inert(&id), ids.join(", "));
                Told::Refused(StatusCode::BAD_REQUEST, error)
            }
        })
    })
    .await
}

/// What was put together off the runtime's threads.
enum Told {
    Json(serde_json::Result<String>),
    Refused(StatusCode, String),
}

impl Told {
    fn new(document: &impl Serialize) -> Self {
        Self::Json(serde_json::to_string(document))
    }
}

async fn answer(
    shared: &Shared,
    find: impl FnOnce(&Reader) -> Result<Told, StoreError> + Send + 'static,
) -> Response {
    match look(shared, find).await {
        Ok(Told::Json(Ok(text))) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Ok(Told::Refused(status, error)) => failure(status, &error),
        Ok(Told::Json(Err(error))) => broken(&error),
        Err(Trouble::NoStore) => failure(StatusCode::NOT_FOUND, NO_STORE),
        Err(Trouble::Unreadable(why)) => failure(StatusCode::SERVICE_UNAVAILABLE, &why),
        Err(Trouble::Broken(error)) => broken(&error),
    }
}

pub(super) const NO_STORE: &str = "this agent keeps no incidents: it was started without a store";

/// Why the store gives no answer.
pub(super) enum Trouble {
    NoStore,
    Unreadable(String),
    Broken(JoinError),
}

/// Reads the store off the runtime's threads.
pub(super) async fn look<T: Send + 'static>(
    shared: &Shared,
    find: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Trouble> {
    let Some(path): Option<Arc<PathBuf>> = shared.store() else { return Err(Trouble::NoStore) };
    // Nobody closes the semaphore.
    let place = PLACES.acquire().await;
    let told =
        tokio::task::spawn_blocking(move || Reader::open(&path).and_then(|reader| find(&reader))).await;
    drop(place);
    told.map_err(Trouble::Broken)?.map_err(|error| {
        tracing::warn!(%error, "cannot read the store");
        Trouble::Unreadable(store::causes(&error))
    })
}
