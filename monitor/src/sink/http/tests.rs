//! The interface as a client sees it, over real sockets.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

mod pages;

use super::{clients::MAX_CLIENTS, *};
use crate::{
    model::{
        observation::Observation,
        time::{BootEpoch, BootNs},
    },
    report::samples::{self, EPOCH},
    sink::metrics::{Build, Metrics},
};

fn shared() -> Shared {
    let build = Build { version: "1.2.3", revision: "abc", rust_version: "1.95" };
    let shared = Shared::new(Metrics::new(build, EPOCH, 1_000).unwrap(), EPOCH);
    shared.diagnosed(&samples::diagnosis(), &samples::identity());
    shared
}

/// An agent on a free port, and its address.
fn agent(shared: Shared) -> String {
    let listener = tcp(listen_tcp("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, shared));
    address
}

/// Status, head and body of the answer to a request that is sent as it stands.
async fn exchange(
    stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    request: &str,
) -> (u16, String, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

async fn ask(address: &str, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    exchange(&mut stream, &format!("{method} {path} HTTP/1.1\r\nHost: gomon\r\n\r\n")).await
}

#[tokio::test]
async fn metrics_come_in_the_text_format() {
    let address = agent(shared());
    let (status, head, body) = ask(&address, "GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("gomon_build_info{"), "{body}");
    assert!(body.contains("pattern=\"missing-interpreter\""), "{body}");
}

#[tokio::test]
async fn readiness_fails_with_its_reasons_until_there_are_none() {
    let shared = shared();
    let address = agent(shared.clone());
    assert_eq!(ask(&address, "GET", "/healthz").await.0, 200);
    shared.set_not_ready(vec!["probe exec is detached".to_owned()]);
    let (status, _, body) = ask(&address, "GET", "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "not ready: probe exec is detached\n"));
    shared.set_not_ready(Vec::new());
    assert_eq!(ask(&address, "GET", "/readyz").await.0, 200);
}

#[tokio::test]
async fn diagnoses_are_filtered_by_container_and_time() {
    let address = agent(shared());
    // Last seen at 22:14:21.500.
    for (query, expected) in [
        ("", 1),
        ("?container=api", 1),
        ("?container=web", 0),
        ("?since=2023-11-14T22:14:21Z", 1),
        ("?since=2023-11-14T22:15:00Z", 0),
        ("?since=10m", 0),
        ("?container=api&since=2023-11-14T00:00:00Z", 1),
    ] {
        let (status, _, body) = ask(&address, "GET", &format!("/api/v1/diagnoses{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        let value: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["schema_version"], 1);
        assert_eq!(value["diagnoses"].as_array().unwrap().len(), expected, "{query}");
    }
}

#[tokio::test]
async fn times_are_told_by_the_clock_as_it_is_now() {
    let shared = shared();
    let address = agent(shared.clone());
    let last_seen = async || {
        let body = ask(&address, "GET", "/api/v1/diagnoses").await.2;
        let value: Value = serde_json::from_str(&body).unwrap();
        value["diagnoses"][0]["last_seen"].as_str().unwrap().to_owned()
    };
    assert_eq!(last_seen().await, "2023-11-14T22:14:21.500Z");
    let epoch = BootEpoch(EPOCH.0 + 3_600_000_000_000);
    shared.observe(&Observation::ClockSet { at: BootNs(0), epoch });
    assert_eq!(last_seen().await, "2023-11-14T23:14:21.500Z");
}

#[tokio::test]
async fn a_wrong_question_is_answered_in_json() {
    let address = agent(shared());
    for (method, path, expected) in [
        ("GET", "/api/v1/diagnoses?since=soon", 400),
        ("GET", "/api/v1/diagnoses?contaner=api", 400),
        ("GET", "/api/v2", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/api/v1/diagnoses", 405),
    ] {
        let (status, _, body) = ask(&address, method, path).await;
        assert_eq!(status, expected, "{method} {path}");
        let value: Value = serde_json::from_str(&body).unwrap();
        assert!(value["error"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn head_has_no_body() {
    let address = agent(shared());
    let (status, _, body) = ask(&address, "HEAD", "/metrics").await;
    assert_eq!((status, body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let address = agent(shared());
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(4 * HEAD_BYTES));
    // The server may close before all is written.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed() {
    let (mut client, server) = tokio::io::duplex(64);
    tokio::spawn(serve(Once(Some(server)), shared()));
    let mut answer = Vec::new();
    let closed = timeout(CONNECTION_TIME * 2, client.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "still open");
}

/// A listener with one client.
struct Once(Option<tokio::io::DuplexStream>);

impl Listener for Once {
    type Io = tokio::io::DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.0.take() {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn more_silent_clients_than_there_is_room_for_keep_nobody_out() {
    let address = agent(shared());
    let mut silent = Vec::new();
    for begun in 0..3 * MAX_CLIENTS {
        let mut client = TcpStream::connect(&address).await.unwrap();
        // Some begin to ask, and never come to the end.
        if begun % 2 == 0 {
            client.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ").await.unwrap();
        }
        silent.push(client);
    }
    assert_eq!(ask(&address, "GET", "/metrics").await.0, 200);
    assert_eq!(ask(&address, "GET", "/healthz").await.0, 200);
}

/// A listener whose clients come through a channel.
struct Door(tokio::sync::mpsc::UnboundedReceiver<tokio::io::DuplexStream>);

impl Listener for Door {
    type Io = tokio::io::DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_never_read_keep_a_scrape_out_for_a_moment_at_most() {
    let (door, clients) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(serve(Door(clients), shared()));
    let connect = || {
        // Much less than an answer fits in.
        let (client, server) = tokio::io::duplex(64);
        door.send(server).unwrap();
        client
    };
    let mut deaf = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut client = connect();
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: gomon\r\n\r\n").await.unwrap();
        deaf.push(client);
    }
    // The clock stands still but for what is waited for: long before the connections of the others end.
    let mut scraper = connect();
    let scrape = exchange(&mut scraper, "GET /metrics HTTP/1.1\r\nHost: gomon\r\n\r\n");
    let (status, _, body) = timeout(CONNECTION_TIME / 3, scrape).await.expect("it is let in");
    assert_eq!(status, 200);
    assert!(body.contains("gomon_build_info{"), "{body}");
}

#[tokio::test]
async fn what_a_client_sends_along_is_not_looked_at() {
    let address = agent(shared());
    for (method, path, expected) in [("POST", "/api/v1/diagnoses", 405), ("GET", "/healthz", 200)] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: gomon\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}");
        assert_eq!(exchange(&mut stream, &request).await.0, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn no_answer_is_anything_to_a_browser() {
    let address = agent(shared());
    for path in ["/metrics", "/healthz", "/api/v1/diagnoses", "/nothing", "/", "/incidents/0a1b2c3d4e"] {
        let (_, head, _) = ask(&address, "GET", path).await;
        let head = head.to_lowercase();
        let lines = ["nosniff", "cache-control: no-store", "default-src 'none'; ", "frame-ancestors 'none'"];
        for line in lines {
            assert!(head.contains(line), "{path}: {head}");
        }
    }
}

#[tokio::test]
async fn a_port_in_use_names_the_address_and_the_way_out() {
    let taken = listen_tcp("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = listen_tcp(&address).unwrap_err().to_string();
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

async fn ask_unix(path: &Path) -> u16 {
    let mut stream = UnixStream::connect(path).await.unwrap();
    exchange(&mut stream, "GET /healthz HTTP/1.1\r\nHost: gomon\r\n\r\n").await.0
}

#[tokio::test]
async fn the_unix_socket_is_its_owners_and_replaces_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/gomon.sock");
    fs::create_dir(directory.path().join("run")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = BoundSocket::listen(&path, None).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(BoundSocket::listen(&path, None), Err(ListenError::SocketInUse { .. })));
    let server = tokio::spawn(serve(socket.start().unwrap(), shared()));
    assert_eq!(ask_unix(&path).await, 200);
    server.abort();
    let _ = server.await;
    assert!(!path.exists(), "the socket is gone with its server");
}

#[tokio::test]
async fn a_file_at_the_sockets_path_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(BoundSocket::listen(&path, None), Err(ListenError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn names_learned_later_reach_older_diagnoses() {
    let shared = shared();
    let mut identity = samples::identity();
    identity.name = "renamed".to_owned();
    let run = crate::model::container::Run {
        container: samples::container(),
        cgroup: crate::model::container::CgroupId(1),
    };
    let fact = Box::new(crate::model::fact::Fact::Identity(identity));
    shared.observe(&Observation::Learned { run, at: BootNs(0), fact });
    let address = agent(shared);
    let (_, _, body) = ask(&address, "GET", "/api/v1/diagnoses?container=renamed").await;
    assert!(body.contains("\"name\":\"renamed\""), "{body}");
}
