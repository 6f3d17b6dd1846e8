//! The pages for people: what they show, with which status, and what a browser may do with them.

use super::*;
use crate::{
    model::{
        container::CgroupId,
        diagnosis::{Conclusion, Diagnosis, Severity},
        incident::{Facts, Session, Sighting},
    },
    sink::{
        metrics::Dropped,
        store::{Store, Tallies},
    },
};

/// An agent that keeps what it was told, and the file's directory.
fn keeping(sightings: &[Sighting]) -> (Shared, Store, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gomon.db");
    let session = Session { boot: "one".to_owned(), started: BootNs(0) };
    let mut store = Store::open(&path, &session).unwrap();
    store.write(sightings.iter()).unwrap();
    let shared = shared();
    shared.set_store(path);
    (shared, store, directory)
}

fn sighting(pattern: &str, severity: Severity, change: impl FnOnce(&mut Conclusion)) -> Sighting {
    let mut conclusion = samples::finding();
    let diagnosis = &mut conclusion.diagnoses[0];
    (diagnosis.pattern, diagnosis.severity) = (pattern.to_owned(), severity);
    change(&mut conclusion);
    let diagnosis: &Diagnosis = &conclusion.diagnoses[0];
    Sighting::new(&conclusion, diagnosis, Facts::default(), CgroupId(1), EPOCH, "1.2.3")
}

fn id(shared: &Shared, pattern: &str) -> String {
    let reader = crate::sink::store::Reader::open(&shared.store().unwrap()).unwrap();
    let query = crate::sink::store::Query { pattern: Some(pattern.to_owned()), ..Default::default() };
    reader.list(&query).unwrap().incidents[0].id.clone()
}

#[tokio::test]
async fn the_first_page_lists_incidents_says_whether_gomon_sees_and_where_to_ask() {
    let found = [
        sighting("missing-interpreter", Severity::Error, |_| {}),
        sighting("privilege-posture", Severity::Info, |_| {}),
    ];
    let (shared, _store, _directory) = keeping(&found);
    shared.set_not_ready(vec!["probe exec is <detached>".to_owned()]);
    shared.metrics(|metrics| metrics.dropped(Dropped::Ring, 12));
    let id = id(&shared, "missing-interpreter");
    let address = agent(shared.clone());
    let (status, head, page) = ask(&address, "GET", "/").await;
    assert_eq!(status, 200);
    let head = head.to_lowercase();
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("style-src 'sha256-") && head.contains("form-action 'self'"), "{head}");
    for part in [
        &format!("<a href=\"/incidents/{id}\">missing-interpreter</a>"),
        "shop/api-7d9f/api",
        "not ready",
        "probe exec is &lt;detached&gt;",
        "12 kernel/ring_full",
        "/api/v1/incidents/ID",
        "<a href=\"/metrics\">",
        "Probes that are not attached:",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("privilege-posture"), "remarks are left out");
    let unwritten = "The store cannot be written now";
    assert!(page.contains(unwritten), "nobody writes it: {page}");
    shared.metrics(|metrics| metrics.set_store(Tallies { is_up: true, ..Tallies::default() }));
    assert!(!ask(&address, "GET", "/").await.2.contains(unwritten));
    shared.set_not_ready(Vec::new());
    assert!(ask(&address, "GET", "/").await.2.contains("class=\"badge good\">ready</span>"));
    for (query, is_there) in [
        ("?container=api&namespace=&pattern=&since=&min_severity=error", true),
        ("?container=web", false),
        ("?pattern=oom-kill", false),
        ("?since=2023-11-14T22:15:00Z", false),
        ("?min_severity=info&limit=5", true),
    ] {
        let (status, _, page) = ask(&address, "GET", &format!("/{query}")).await;
        assert_eq!((status, page.contains(&id)), (200, is_there), "{query}");
    }
}

#[tokio::test]
async fn the_page_of_an_incident_is_its_postmortem_with_what_brought_it_about() {
    let consequence = sighting("healthcheck-tool-missing", Severity::Warning, |conclusion| {
        conclusion.diagnoses[0].consequence_of = Some("missing-interpreter".to_owned());
    });
    let (shared, _store, _directory) =
        keeping(&[consequence, sighting("missing-interpreter", Severity::Error, |_| {})]);
    let id = id(&shared, "healthcheck-tool-missing");
    let address = agent(shared);
    let (status, head, page) = ask(&address, "GET", &format!("/incidents/{id}")).await;
    assert_eq!(status, 200);
    assert!(head.to_lowercase().contains("text/html"), "{head}");
    for part in ["<h1>missing-interpreter in shop/api-7d9f/api</h1>", "Brought about by it", "<svg"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_shown_says_why_in_html() {
    let (shared, store, directory) = keeping(&[]);
    let address = agent(shared);
    for (path, expected, why) in [
        ("/incidents/0a1b2c3d4e", 404, "there is no incident"),
        ("/incidents/%3Cscript%3E", 404, "&lt;script&gt;"),
        ("/incidents/%ff%fe", 400, "UTF-8"),
        ("/?since=soon", 400, "neither a duration"),
        ("/?contaner=api", 400, "unknown field"),
    ] {
        let (status, head, page) = ask(&address, "GET", path).await;
        assert_eq!(status, expected, "{path}: {page}");
        assert!(head.to_lowercase().contains("text/html") && page.contains(why), "{path}: {page}");
        assert!(!page.contains("<script"), "{path}: {page}");
    }
    drop(store);
    std::fs::write(directory.path().join("gomon.db"), "not a store".repeat(100)).unwrap();
    for path in ["/", "/incidents/0a1b2c3d4e"] {
        let (status, _, page) = ask(&address, "GET", path).await;
        assert!(status == 503 && page.contains("store"), "{path}: {status} {page}");
    }
}

#[tokio::test]
async fn an_agent_without_a_store_says_so_on_its_pages() {
    let address = agent(shared());
    let (status, _, page) = ask(&address, "GET", "/").await;
    assert_eq!(status, 200);
    assert!(page.contains("started without a store") && page.contains("/api/v1/diagnoses"), "{page}");
    let (status, _, page) = ask(&address, "GET", "/incidents/0a1b2c3d4e").await;
    assert!(status == 404 && page.contains("started without a store"), "{page}");
}

#[tokio::test]
async fn no_string_in_the_store_becomes_markup_on_the_first_page() {
    let hostile = "\"'><script>x()</script></style><img src=x>\u{1b}[2J\u{202e}";
    let found = sighting("missing-interpreter", Severity::Error, |conclusion| {
        let identity = &mut conclusion.identity;
        for field in [&mut identity.name, &mut identity.namespace, &mut identity.pod] {
            *field = hostile.to_owned();
        }
        let diagnosis = &mut conclusion.diagnoses[0];
        (diagnosis.summary, diagnosis.pattern) = (hostile.to_owned(), hostile.to_owned());
        diagnosis.consequence_of = Some(hostile.to_owned());
    });
    let (shared, _store, _directory) = keeping(&[found]);
    shared.set_not_ready(vec![hostile.to_owned()]);
    let address = agent(shared);
    let page = ask(&address, "GET", "/").await.2;
    assert!(page.contains("&lt;script&gt;"), "{page}");
    assert!(
        !page.contains("<script") && !page.contains("<img") && !page.contains(['\u{1b}', '\u{202e}']),
        "{page}"
    );
    let page = ask(&address, "GET", "/?container=%22%3E%3Cscript%3E").await.2;
    assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\"") && !page.contains("<script"), "{page}");
}
