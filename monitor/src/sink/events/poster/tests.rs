//! The task against an API of the tests' own, over TLS.

use serde_json::Value;

use super::*;
use crate::sink::events::testing::{identity, named, seen};

#[path = "../../../../../tests/kubernetes/api.rs"]
mod api;

use api::{Api, Asked};

/// Far beyond what any of this takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn config(api: &Api) -> KubernetesConfig {
    KubernetesConfig {
        api: Some(api.url()),
        credentials: api.credentials(),
        per_minute: 600,
        node: "node-1".to_owned(),
    }
}

/// Waits for a condition with a deadline.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn posted(handle: &Handle, what: &str, holds: impl Fn(Posted) -> bool) {
    until(what, || holds(handle.posted())).await;
}

fn asked(api: &Api) -> Vec<(String, u16)> {
    api.asked().into_iter().map(|Asked { method, code, .. }| (method, code)).collect()
}

fn of(pairs: &[(&str, u16)]) -> Vec<(String, u16)> {
    pairs.iter().map(|(method, code)| ((*method).to_owned(), *code)).collect()
}

#[tokio::test]
async fn a_finding_in_a_pod_becomes_an_event_that_the_api_takes() {
    let api = Api::start();
    let poster = Poster::start(config(&api));
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    posted(&poster.handle(), "it is created", |posted| posted.created == 1).await;
    let [event] = api.events().try_into().unwrap();
    assert_eq!(event["reason"], "MissingInterpreter");
    assert_eq!(event["regarding"]["fieldPath"], "spec.containers{api}");
    assert_eq!(event["regarding"]["uid"], identity().pod_uid);
    assert_eq!(event["reportingInstance"], "node-1");
    assert!(event["note"].as_str().unwrap().contains("Remedy:"), "{event}");
    assert!(event.get("series").is_none(), "{event}");
    // A repeat waits for the window.
    poster.handle().take(&seen("a", "missing-interpreter", 9), Why::Again);
    let done = poster.finish(PATIENCE).await;
    assert_eq!((done.created, done.patched, done.failed, done.refused), (1, 0, 0, 0));
    assert_eq!(asked(&api), of(&[("POST", 201)]));
    assert_eq!(api.asked()[0].path, "/apis/events.k8s.io/v1/namespaces/shop/events");
}

#[tokio::test]
async fn an_agent_that_starts_anew_goes_on_with_the_events_of_the_one_before() {
    let api = Api::start();
    for (count, life) in [(1, 1), (1, 2), (3, 3)] {
        let poster = Poster::start(config(&api));
        poster.handle().take(&seen("a", "missing-interpreter", count), Why::New);
        posted(&poster.handle(), "it is written", |posted| posted.created + posted.patched == 1).await;
        poster.finish(PATIENCE).await;
        let [event] = api.events().try_into().unwrap();
        let expected = [Value::Null, 2.into(), 5.into()];
        assert_eq!(event["series"]["count"], expected[life - 1]);
    }
}

#[tokio::test]
async fn what_is_patched_is_the_series_alone() {
    let api = Api::start();
    for count in [1, 4] {
        let poster = Poster::start(config(&api));
        poster.handle().take(&seen("a", "missing-interpreter", count), Why::Again);
        posted(&poster.handle(), "it is written", |posted| posted.created + posted.patched == 1).await;
        poster.finish(PATIENCE).await;
    }
    let patch = api.asked().pop().unwrap();
    assert_eq!((patch.method.as_str(), patch.code), ("PATCH", 200));
    let changed: Vec<&String> = patch.body.as_object().unwrap().keys().collect();
    assert_eq!(changed, ["series"]);
}

#[tokio::test]
async fn an_event_that_the_api_forgot_is_made_anew() {
    let api = Api::start();
    api.answers(409, None, r#"{"kind":"Status","reason":"AlreadyExists","code":409}"#);
    let poster = Poster::start(config(&api));
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    posted(&poster.handle(), "it is created", |posted| posted.created == 1).await;
    assert_eq!(asked(&api), of(&[("POST", 409), ("PATCH", 404), ("POST", 201)]));
    // The same for a series that has been told of.
    let draft = {
        let mut books = poster.handle.0.books();
        books.see(Duration::from_hours(9), &seen("a", "missing-interpreter", 3));
        let Next::Patch(draft) = books.next(Duration::from_hours(9)) else { panic!("no patch") };
        draft
    };
    api.forget();
    let mut worker = worker(&poster, &config(&api));
    worker.write(Verb::Patch, &draft).await;
    assert!(matches!(poster.handle.0.books().next(Duration::from_hours(9)), Next::Create(_)));
}

fn worker(poster: &Poster, config: &KubernetesConfig) -> Worker {
    Worker::new(Arc::clone(&poster.handle.0), config.clone())
}

#[tokio::test]
async fn an_api_that_is_busy_is_asked_again_when_it_says() {
    let api = Api::start();
    api.answers(429, Some("1"), "Too many requests, please try again later.\n");
    api.answers(503, None, "<html>503</html>");
    let poster = Poster::start(config(&api));
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    posted(&poster.handle(), "it is created", |posted| posted.created == 1).await;
    assert_eq!(poster.handle().posted().failed, 2);
    assert_eq!(asked(&api), of(&[("POST", 429), ("POST", 503), ("POST", 201)]));
}

#[tokio::test]
async fn a_refusal_is_counted_and_not_repeated() {
    let api = Api::start();
    api.answers(403, None, r#"{"kind":"Status","reason":"Forbidden","message":"no","code":403}"#);
    let poster = Poster::start(config(&api));
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    posted(&poster.handle(), "it is refused", |posted| posted.refused == 1).await;
    poster.handle().take(&seen("a", "missing-interpreter", 2), Why::Again);
    poster.handle().take(&seen("a", "missing-library", 1), Why::New);
    posted(&poster.handle(), "the other one is created", |posted| posted.created == 1).await;
    assert_eq!(poster.handle().posted().refused, 1);
    assert_eq!(asked(&api), of(&[("POST", 403), ("POST", 201)]));
}

#[tokio::test]
async fn a_token_that_the_api_does_not_know_is_a_failure_that_passes() {
    let api = Api::start();
    std::fs::write(api.credentials().join("token"), "an-old-one").unwrap();
    let poster = Poster::start(config(&api));
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    posted(&poster.handle(), "it fails", |posted| posted.failed == 1).await;
    assert_eq!(asked(&api), of(&[("POST", 401)]));
    assert_eq!(poster.finish(PATIENCE).await.dropped, 1);
}

#[tokio::test]
async fn the_authority_of_another_cluster_is_not_trusted() {
    let (api, other) = (Api::start(), Api::start());
    std::fs::copy(other.credentials().join("ca.crt"), api.credentials().join("ca.crt")).unwrap();
    let poster = Poster::start(config(&api));
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    posted(&poster.handle(), "it fails", |posted| posted.failed == 1).await;
    assert!(api.asked().is_empty(), "no token was sent");
}

#[tokio::test]
async fn credentials_that_come_later_are_read_later() {
    let api = Api::start();
    let token = api.credentials().join("token");
    let text = std::fs::read(&token).unwrap();
    std::fs::remove_file(&token).unwrap();
    let poster = Poster::start(config(&api));
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    posted(&poster.handle(), "it fails", |posted| posted.failed == 1).await;
    std::fs::write(&token, text).unwrap();
    posted(&poster.handle(), "it is created", |posted| posted.created == 1).await;
}

#[tokio::test]
async fn an_end_writes_what_it_may_and_counts_the_rest() {
    let api = Api::start();
    let poster = Poster::start(KubernetesConfig { per_minute: 3, ..config(&api) });
    for number in 0..10 {
        poster.handle().take(&seen("a", &format!("p{number}"), 1), Why::New);
    }
    let Posted { created, dropped, .. } = poster.finish(PATIENCE).await;
    assert_eq!((created, dropped), (3, 7));
    assert_eq!(api.events().len(), 3);
}

#[tokio::test]
async fn an_end_does_not_wait_for_an_api_that_is_silent() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let api = Api::start();
    let address = silent.local_addr().unwrap();
    let poster = Poster::start(KubernetesConfig { api: Some(format!("https://{address}")), ..config(&api) });
    poster.handle().take(&seen("a", "missing-interpreter", 1), Why::New);
    let done = poster.finish(Duration::from_millis(300)).await;
    assert_eq!((done.created, done.dropped), (0, 1));
}

#[tokio::test]
async fn whatever_a_container_wrote_the_api_takes_the_event() {
    let api = Api::start();
    let poster = Poster::start(config(&api));
    for (number, text) in
        ["ä".repeat(2_000), "\u{1b}[2J\r\n\u{202e}".repeat(300), String::new()].iter().enumerate()
    {
        let mut sighting = seen("a", &format!("p{number}"), 1);
        sighting.told.diagnosis.summary.clone_from(text);
        sighting.told.diagnosis.remedy.clone_from(text);
        poster.handle().take(&sighting, Why::New);
    }
    let mut long = identity();
    long.pod = format!("{}.{}", "a".repeat(126), "b".repeat(126));
    poster.handle().take(&named(&long, "b", "p0", 7), Why::New);
    posted(&poster.handle(), "all are created", |posted| posted.created == 4).await;
    assert_eq!(poster.finish(PATIENCE).await.refused, 0);
}
