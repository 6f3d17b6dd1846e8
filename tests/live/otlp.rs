//! A real collector of OpenTelemetry receives what a confined agent finds, also if it comes late or was away.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{Agent, Collector, Container, Received, TlsServer, pem, skip, wait_for};

const NODE: &str = "worker-1.example";

/// The loader of its program is missing.
fn broken(what: &str) -> Container {
    Container::new(what, "scratch", &["/app/probe.glibc"])
}

fn is_about(record: &Received, container: &Container) -> bool {
    record.resource.get("container.name") == Some(&container.name)
        && record.attributes.get("gomon.pattern").is_some_and(|pattern| pattern == "missing-interpreter")
}

fn count(agent: &Agent, result: &str) -> f64 {
    agent.metrics().sum("gomon_otlp_exports_total", &[("result", result)]).unwrap_or_default()
}

/// Waits until the agent has tried in vain once more than before.
fn await_a_try_in_vain(agent: &Agent, before: f64) {
    wait_for("a try in vain", || (count(agent, "retried") > before).then_some(()));
}

fn diagnoses_arrive(protocol: &str, endpoint: impl Fn(&Collector) -> String) {
    let Some(mut collector) = Collector::find() else {
        return skip("a collector of OpenTelemetry", "not installed; `cargo xtask setup` fetches it");
    };
    let agent = Agent::start_with(&[
        ("GOMON_OTLP_ENDPOINT", &endpoint(&collector)),
        ("GOMON_OTLP_PROTOCOL", protocol),
        ("NODE_NAME", NODE),
    ]);
    let confined = agent.metrics().sum("gomon_confined", &[]);
    assert_eq!(confined, Some(4.0), "what is seen here holds for a confined agent");
    let (early, late) = (broken("early"), broken("late"));
    early.run();
    await_a_try_in_vain(&agent, 0.0);
    // It was late.
    collector.start();
    let record = collector.await_record("the first record", |record| is_about(record, &early));
    says_what_it_should(&record, &early);
    wait_for("its count", || (count(&agent, "ok") > 0.0).then_some(()));
    assert_eq!(agent.metrics().sum("gomon_otlp_up", &[]), Some(1.0));
    // It goes, and comes back.
    collector.kill();
    let before = count(&agent, "retried");
    late.run();
    await_a_try_in_vain(&agent, before);
    assert_eq!(agent.metrics().sum("gomon_otlp_up", &[]), Some(0.0));
    collector.start();
    collector.await_record("the record of the time between", |record| is_about(record, &late));
    for result in ["rejected", "refused", "queue_full", "unsent"] {
        let lost = agent.metrics().sum("gomon_otlp_records_total", &[("result", result)]);
        assert_eq!(lost, Some(0.0), "{result}");
    }
    let log = agent.log();
    assert!(log.contains("diagnoses do not reach the OTLP receiver"), "{log}");
    assert!(log.contains("diagnoses reach the OTLP receiver again"), "{log}");
    agent.stop().exits(0);
}

fn says_what_it_should(record: &Received, container: &Container) {
    let Received { resource, attributes, fields } = record;
    for (of, key, value) in [
        (resource, "service.name", "gomon"),
        (resource, "service.version", env!("CARGO_PKG_VERSION")),
        (resource, "host.name", NODE),
        (resource, "k8s.node.name", NODE),
        (resource, "container.id", container.id().as_str()),
        (resource, "container.name", container.name.as_str()),
        (resource, "container.runtime.name", "docker"),
        (resource, "container.image.name", "gomon-test/scratch"),
        (resource, "container.command", "/app/probe.glibc"),
        (attributes, "gomon.change", "new"),
        (attributes, "gomon.subject", "/lib64/ld-linux-x86-64.so.2"),
        (attributes, "gomon.confidence", "certain"),
        (attributes, "gomon.count", "1"),
        (attributes, "gomon.exit.code", "1"),
        (attributes, "process.runtime.name", "go"),
        (fields, "EventName", "gomon.diagnosis"),
        (fields, "SeverityText", "ERROR"),
    ] {
        assert_eq!(of.get(key).map(String::as_str), Some(value), "{key}: {record:#?}");
    }
    assert!(fields["Body"].starts_with("/app/probe.glibc cannot start"), "{record:#?}");
    assert!(attributes["gomon.evidence"].contains("failed with ENOENT"), "{record:#?}");
    let time = |name: &str| fields[name].parse::<u64>().unwrap();
    assert!(time("Timestamp") > 0 && time("Timestamp") < time("ObservedTimestamp"), "{record:#?}");
}

#[test]
fn diagnoses_reach_a_collector_by_grpc_that_came_late_and_was_away() {
    diagnoses_arrive("grpc", |collector| format!("http://{}", collector.grpc));
}

/// By a name, which a confined agent looks up.
#[test]
fn diagnoses_reach_a_collector_by_http_that_came_late_and_was_away() {
    diagnoses_arrive("http/protobuf", |collector| format!("http://localhost:{}", collector.http.port()));
}

/// Files that only root may read: they are read before the agent becomes somebody else.
#[test]
fn a_confined_agent_speaks_tls_with_the_headers_of_a_file_and_shows_them_to_nobody() {
    let server = TlsServer::start();
    let dir = tempfile::tempdir().unwrap();
    let (headers, authority) = (dir.path().join("headers"), dir.path().join("ca.pem"));
    fs::write(&headers, "Authorization: Bearer geheim\n").unwrap();
    fs::copy(pem("ca.pem"), &authority).unwrap();
    for file in [&headers, &authority] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let agent = Agent::start_with(&[
        ("GOMON_OTLP_ENDPOINT", &format!("https://localhost:{}", server.address.port())),
        ("GOMON_OTLP_PROTOCOL", "http/protobuf"),
        ("GOMON_OTLP_HEADERS_FILE", headers.to_str().unwrap()),
        ("GOMON_OTLP_CA_FILE", authority.to_str().unwrap()),
    ]);
    assert_eq!(agent.metrics().sum("gomon_confined", &[]), Some(4.0));
    let container = broken("tls");
    container.run();
    let is_in = |body: &[u8], text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
    let (head, _) = wait_for("the record", || {
        let fits = |(_, body): &(String, Vec<u8>)| {
            is_in(body, &container.name) && is_in(body, "missing-interpreter")
        };
        server.posted().into_iter().find(fits)
    });
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/logs http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer geheim\r\n"), "{head}");
    // What it read at the start it does not need again.
    agent.signal(rustix::process::Signal::HUP);
    wait_for("the reload", || agent.log().contains("configuration reloaded").then_some(()));
    let ended = agent.stop().exits(0);
    assert!(!format!("{ended:?}").to_ascii_lowercase().contains("geheim"), "{ended:?}");
}
