//! `/` and `/incidents/ID`: what the agent's store has, as pages for people. A page holds no script and loads nothing.

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::{
    Front,
    incidents::{Asked, Trouble, look},
};
use crate::{
    model::{diagnosis::Severity, incident::Incident, text::inert},
    report::{
        html::POLICY_HEADER,
        overview::{self, Filter, Kept, Overview},
        postmortem::{self, Postmortem, Scope, related},
    },
    sink::store::{Query, Reader, StoreError},
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Incidents of the first page at most: a browser has to lay them out.
const MAX_LISTED: u32 = 1_000;
/// Incidents of one container that are looked at for what brought one of them about.
const MAX_RELATED: u32 = 100;

/// `/`.
pub(super) async fn overview(State(front): State<Front>, RawQuery(query): RawQuery) -> Response {
    let asked = match asked(&query.unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    let filter = filter(&asked);
    let query = match asked.query() {
        Ok(query) => query,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    let limit = query.limit.map(|limit| limit.min(MAX_LISTED));
    let query = Query { limit, min_severity: Some(filter.min_severity), ..query };
    let (not_ready, sight) = (front.shared.not_ready(), front.shared.metrics(|metrics| metrics.sight()));
    let page = move |kept| {
        let version = VERSION.to_owned();
        overview::overview(&Overview { version, not_ready, sight, filter, kept })
    };
    let listed = look(&front.shared, move |reader| {
        let listing = reader.list(&query)?;
        Ok(Kept::Listed { incidents: listing.incidents, total: listing.total })
    });
    let (status, kept) = match listed.await {
        Ok(kept) => (StatusCode::OK, kept),
        Err(Trouble::NoStore) => (StatusCode::OK, Kept::NoStore),
        Err(Trouble::Unreadable(why)) => (StatusCode::SERVICE_UNAVAILABLE, Kept::Unreadable(why)),
        Err(Trouble::Broken(error)) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    answer(&front, status, page(kept))
}

/// `/incidents/ID`.
pub(super) async fn incident(
    State(front): State<Front>,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    let id = match id {
        Ok(Path(id)) => id,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    match look(&front.shared, move |reader| report(reader, &id)).await {
        Ok(Ok(page)) => answer(&front, StatusCode::OK, page),
        Ok(Err((status, why))) => refusal(status, &why),
        Err(Trouble::NoStore) => refusal(StatusCode::NOT_FOUND, super::incidents::NO_STORE),
        Err(Trouble::Unreadable(why)) => refusal(StatusCode::SERVICE_UNAVAILABLE, &why),
        Err(Trouble::Broken(error)) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// A form sends its empty fields, too: they do not matter.
fn asked(query: &str) -> Result<Asked, String> {
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.ends_with('=')).collect();
    let uri: Uri =
        format!("/?{}", pairs.join("&")).parse().map_err(|_| "the query is no part of a URL".to_owned())?;
    let asked = axum::extract::Query::<Asked>::try_from_uri(&uri).map_err(|error| error.body_text())?;
    Ok(asked.0)
}

fn filter(asked: &Asked) -> Filter {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Filter {
        container: text(&asked.container),
        namespace: text(&asked.namespace),
        pattern: text(&asked.pattern),
        since: text(&asked.since),
        min_severity: asked.min_severity.unwrap_or(Severity::Warning),
    }
}

/// The postmortem of one incident, with those of its container that brought it about or that it brought about.
fn report(reader: &Reader, id: &str) -> Result<Result<String, (StatusCode, String)>, StoreError> {
    let found = reader.find(id)?;
    let incident = match found.as_slice() {
        [incident] => incident,
        [] => return Ok(Err((StatusCode::NOT_FOUND, format!("there is no incident \"{}\"", inert(id))))),
        several => {
            let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
            let why = format!("several incidents begin with \"{}\": {}", inert(id), ids.join(", "));
            return Ok(Err((StatusCode::BAD_REQUEST, why)));
        }
    };
    let container = Some(incident.told.diagnosis.container.0.to_string());
    let others = reader.list(&Query { container, limit: Some(MAX_RELATED), ..Query::default() })?.incidents;
    let mut all: Vec<Incident> = Vec::new();
    for one in related(incident, &others) {
        all.extend(if one.id == incident.id { vec![one] } else { reader.find(&one.id)? });
    }
    let scope = Scope {
        asked: format!("incident {}", incident.id),
        total: all.len() as u64,
        made: Timestamp::now(),
        version: VERSION.to_owned(),
    };
    let page = Postmortem::new(&all, scope).map(|report| postmortem::html(&report));
    Ok(page.ok_or_else(|| (StatusCode::NOT_FOUND, format!("there is no incident \"{}\"", inert(id)))))
}

fn answer(front: &Front, status: StatusCode, page: String) -> Response {
    match front.room.take(page) {
        Some(page) => html(status, page),
        None => refusal(StatusCode::SERVICE_UNAVAILABLE, "too many answers wait to be read: try again"),
    }
}

fn refusal(status: StatusCode, why: &str) -> Response {
    html(status, overview::refusal(status.as_u16(), why))
}

fn html(status: StatusCode, page: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY_HEADER)),
    ];
    (status, headers, page).into_response()
}
