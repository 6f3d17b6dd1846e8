//! The agent's read-only HTTP interface over TCP and a unix socket. Never changes anything, never waits on a slow client.

mod answers;
mod clients;
mod incidents;
mod listen;
mod pages;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{FromRef, Query, State, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::shared::{Filter, Shared};
use crate::when::Since;
use answers::{Page, Room};
use clients::{Clients, Heard};
pub use listen::{BoundSocket, ListenError, UnixSocket, listen_tcp, tcp};

/// A client has so long to send its request line and headers.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// A connection lasts so long at most: it carries one request, and the answer is ready at once.
const CONNECTION_TIME: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;

/// The content type of the text exposition format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers requests on `listener` for ever. Stop it by dropping the future.
pub async fn serve<L: Listener>(mut listener: L, shared: Shared) {
    let service = TowerToHyperService::new(router(shared));
    let mut clients = Clients::default();
    loop {
        let (stream, _) = listener.accept().await;
        let Some(place) = clients.place().await else { return };
        let (service, heard) = (service.clone(), Heard::default());
        let asks = heard.clone();
        let service = service_fn(move |request| {
            asks.set();
            service.call(request)
        });
        let task = tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIME)
                .max_buf_size(HEAD_BYTES)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            match timeout(CONNECTION_TIME, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection ended early"),
                Err(_) => tracing::debug!("an HTTP client was too slow"),
            }
            drop(place);
        });
        clients.connected(heard, task.abort_handle());
    }
}

/// What the answers are made from.
#[derive(Clone)]
struct Front {
    shared: Shared,
    page: Arc<Page>,
    room: Arc<Room>,
}

impl FromRef<Front> for Shared {
    fn from_ref(front: &Front) -> Self {
        front.shared.clone()
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(pages::overview))
        .route("/incidents/{id}", get(pages::incident))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/api/v1/diagnoses", get(diagnoses))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .fallback(async || {
            failure(
                StatusCode::NOT_FOUND,
                "there is nothing here: /, /incidents/ID, /metrics, /healthz, /readyz, /api/v1/diagnoses, /api/v1/incidents",
            )
        })
        .method_not_allowed_fallback(async || failure(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD"))
        .layer(map_response(harmless))
        .with_state(Front { shared, page: Arc::default(), room: Arc::default() })
}

/// A browser takes no answer for anything else than it is, keeps none and runs nothing of it.
async fn harmless(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn metrics(State(front): State<Front>) -> Response {
    match front.page.get(|| front.shared.scrape().encode()).await {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => broken(&error),
    }
}

/// Alive: the pipeline said something lately.
async fn health(State(shared): State<Shared>) -> Response {
    match shared.stuck() {
        None => "ok\n".into_response(),
        Some(silent) => {
            let text = format!("the pipeline has been silent for {} s\n", silent.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

/// Ready: seeing.
async fn readiness(State(shared): State<Shared>) -> Response {
    let reasons = shared.not_ready();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    let text = format!("not ready: {}\n", reasons.join("\nnot ready: "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    container: Option<String>,
    since: Option<String>,
}

/// What is asked for, as fuzz tests ask it.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed(bytes: &[u8]) -> crate::fuzzing::Told {
    let encoded: String = bytes.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic).collect();
    let Ok(uri) = format!("/api/v1/diagnoses?{encoded}").parse::<axum::http::Uri>() else {
        return crate::fuzzing::Told::Nothing;
    };
    let asked = Query::<Asked>::try_from_uri(&uri).map_err(|rejection| rejection.body_text());
    crate::fuzzing::Told::result(asked.map(|Query(asked)| asked))
}

async fn diagnoses(State(front): State<Front>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let Asked { container, since } = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let since = match since.map(|text| text.parse::<Since>()).transpose() {
        Ok(since) => since.map(|since| since.start(Timestamp::now())),
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match front.shared.diagnoses(&Filter { container, since }).map(|text| front.room.take(text)) {
        Ok(Some(text)) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Ok(None) => failure(StatusCode::SERVICE_UNAVAILABLE, "too many answers wait to be read: try again"),
        Err(error) => broken(&error),
    }
}

fn failure(status: StatusCode, error: &str) -> Response {
    (status, axum::Json(json!({ "error": error }))).into_response()
}

fn broken(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "cannot answer a request");
    failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}
