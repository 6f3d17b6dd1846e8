//! A Kubernetes API for the tests: TLS with a certificate of its own, a token, and events.k8s.io/v1 with the validation of
//! kubernetes/kubernetes, restated in [`validation`]. It keeps what it is told, and can be told to answer otherwise.

#[path = "validation.rs"]
mod validation;

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_rustls::{TlsAcceptor, rustls};

pub(super) const TOKEN: &str = "a-token-that-the-kubelet-wrote";
const GROUP: &str = "/apis/events.k8s.io/v1";

/// One request, as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
    /// What it was answered with.
    pub(super) code: u16,
}

/// An answer that was ordered: status, `Retry-After`, body.
type Ordered = (u16, Option<String>, String);

#[derive(Default)]
struct State {
    events: BTreeMap<(String, String), Value>,
    asked: Vec<Asked>,
    ordered: VecDeque<Ordered>,
    version: u64,
}

/// The API; it ends with the value.
pub(super) struct Api {
    address: SocketAddr,
    directory: tempfile::TempDir,
    state: Arc<Mutex<State>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Api {
    /// Listens on the loopback.
    pub(super) fn start() -> Self {
        let authority = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = parameters.self_signed(&authority).unwrap();
        let issuer = rcgen::Issuer::from_params(&parameters, &authority);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.crt"), ca.pem()).unwrap();
        fs::write(directory.path().join("token"), TOKEN).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, TlsAcceptor::from(Arc::new(tls)), serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, directory, state, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where `token` and `ca.crt` are.
    pub(super) fn credentials(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// The next answers, whatever is asked.
    pub(super) fn answers(&self, code: u16, retry_after: Option<&str>, body: &str) {
        self.state().ordered.push_back((code, retry_after.map(str::to_owned), body.to_owned()));
    }

    /// The events that it keeps.
    pub(super) fn events(&self) -> Vec<Value> {
        self.state().events.values().cloned().collect()
    }

    /// Its events are too old to be kept.
    pub(super) fn forget(&self) {
        self.state().events.clear();
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, tls: TlsAcceptor, state: Arc<Mutex<State>>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let is_known = header(AUTHORIZATION) == Some(format!("Bearer {TOKEN}"));
    let content = header(CONTENT_TYPE).unwrap_or_default();
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let body = request.into_body().collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut state = state.lock().unwrap();
    let (code, retry_after, text) = match state.ordered.pop_front() {
        Some(ordered) => ordered,
        None if !is_known => failure(401, "Unauthorized", "Unauthorized"),
        None => state.answer(&method, &path, &content, &body),
    };
    state.asked.push(Asked { method, path, body, code });
    let response = Response::builder().status(code).header(CONTENT_TYPE, "application/json");
    let response = match retry_after {
        Some(seconds) => response.header(RETRY_AFTER, seconds),
        None => response,
    };
    Ok(response.body(Full::new(Bytes::from(text))).unwrap())
}

fn failure(code: u16, reason: &str, message: &str) -> Ordered {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, None, status.to_string())
}

impl State {
    fn answer(&mut self, method: &str, path: &str, content: &str, body: &Value) -> Ordered {
        let place: Vec<&str> = path.strip_prefix(GROUP).unwrap_or_default().split('/').skip(1).collect();
        match (method, place.as_slice()) {
            ("POST", ["namespaces", namespace, "events"]) if content == "application/json" => {
                self.create(namespace, body)
            }
            ("PATCH", ["namespaces", namespace, "events", name])
                if content == "application/merge-patch+json" =>
            {
                self.patch(namespace, name, body)
            }
            ("POST" | "PATCH", ["namespaces", ..]) => {
                failure(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
            }
            ("GET", ["namespaces", namespace, "events"]) => {
                let of = self.events.iter().filter(|((of, _), _)| of == namespace);
                let items: Vec<&Value> = of.map(|(_, event)| event).collect();
                (200, None, list("EventList", &json!({ "items": items })))
            }
            ("GET", _) => discovery(path),
            _ => failure(405, "MethodNotAllowed", "the server does not allow this method"),
        }
    }

    fn create(&mut self, namespace: &str, event: &Value) -> Ordered {
        let name = event["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (namespace.to_owned(), name);
        if let Err((code, reason, why)) = validation::of_new(namespace, event) {
            return failure(code, reason, &why);
        }
        if self.events.contains_key(&key) {
            let why = format!("events.events.k8s.io \"{}\" already exists", key.1);
            return failure(409, "AlreadyExists", &why);
        }
        let mut event = event.clone();
        self.version += 1;
        event["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{:012}", self.version));
        event["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.events.insert(key, event.clone());
        (201, None, event.to_string())
    }

    fn patch(&mut self, namespace: &str, name: &str, patch: &Value) -> Ordered {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(old) = self.events.get(&key) else {
            return failure(404, "NotFound", &format!("events.events.k8s.io \"{name}\" not found"));
        };
        let mut new = old.clone();
        merge(&mut new, patch);
        if let Err((code, reason, why)) = validation::of_changed(namespace, old, &new) {
            return failure(code, reason, &why);
        }
        self.version += 1;
        new["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.events.insert(key, new.clone());
        (200, None, new.to_string())
    }
}

/// RFC 7396.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            value.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut value[key], change);
        }
    }
}

fn list(kind: &str, rest: &Value) -> String {
    let mut list = json!({
        "kind": kind, "apiVersion": "events.k8s.io/v1", "metadata": { "resourceVersion": "1" },
    });
    merge(&mut list, rest);
    list.to_string()
}

/// What kubectl asks before it asks anything.
fn discovery(path: &str) -> Ordered {
    let version = json!({ "groupVersion": "events.k8s.io/v1", "version": "v1" });
    let document = match path {
        "/api" => json!({ "kind": "APIVersions", "versions": [] }),
        "/apis" => json!({
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": [{ "name": "events.k8s.io", "versions": [version], "preferredVersion": version }],
        }),
        GROUP => json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "events.k8s.io/v1",
            "resources": [{
                "name": "events", "singularName": "event", "namespaced": true, "kind": "Event",
                "verbs": ["create", "get", "list", "patch"], "shortNames": ["ev"],
            }],
        }),
        _ => return failure(404, "NotFound", "the server could not find the requested resource"),
    };
    (200, None, document.to_string())
}
