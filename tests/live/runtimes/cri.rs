//! The few calls of the container runtime interface that make a pod: gRPC over HTTP/2 with messages written by hand.
//! Numbers of fields are those of `runtime.v1` (kubernetes/cri-api, api.proto).

use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::UnixStream, runtime::Runtime};

/// A pod as the kubelet names it.
pub(super) struct Pod {
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    pub(super) uid: &'static str,
}

impl Pod {
    /// `PodSandboxConfig`, on the host's network: no plugin has to be there.
    fn config(&self) -> Message {
        /// `NamespaceMode.NODE`.
        const NODE: u64 = 2;
        let metadata = Message::default().text(1, self.name).text(2, self.uid).text(3, self.namespace);
        let security = Message::default().message(1, &Message::default().number(1, NODE));
        let parent = format!("/kubepods/burstable/pod{}", self.uid);
        let linux = Message::default().text(1, &parent).message(2, &security);
        Message::default().message(1, &metadata).message(8, &linux)
    }
}

/// A client of a CRI socket.
pub(super) struct Cri {
    runtime: Runtime,
    sender: http2::SendRequest<Full<Bytes>>,
}

impl Cri {
    pub(super) fn connect(socket: &Path) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = UnixStream::connect(socket).await.unwrap();
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// The sandbox's id.
    pub(super) fn run_pod(&self, pod: &Pod) -> String {
        let request = Message::default().message(1, &pod.config());
        first_text(&self.call("RunPodSandbox", &request).unwrap())
    }

    /// The container's id.
    pub(super) fn create(&self, sandbox: &str, pod: &Pod, name: &str, image: &str, args: &[&str]) -> String {
        let metadata = Message::default().text(1, name);
        let config = Message::default().message(1, &metadata).message(2, &Message::default().text(1, image));
        let config = args.iter().fold(config, |config, arg| config.text(3, arg));
        let request = Message::default().text(1, sandbox).message(2, &config).message(3, &pod.config());
        first_text(&self.call("CreateContainer", &request).unwrap())
    }

    pub(super) fn start(&self, container: &str) -> Result<(), String> {
        self.call("StartContainer", &Message::default().text(1, container)).map(drop)
    }

    pub(super) fn remove_pod(&self, sandbox: &str) {
        for method in ["StopPodSandbox", "RemovePodSandbox"] {
            self.call(method, &Message::default().text(1, sandbox)).unwrap();
        }
    }

    /// The answer's message, or what `grpc-message` says.
    fn call(&self, method: &str, message: &Message) -> Result<Bytes, String> {
        let mut body = vec![0];
        body.extend(u32::try_from(message.0.len()).unwrap().to_be_bytes());
        body.extend(&message.0);
        let request = Request::post(format!("http://cri/runtime.v1.RuntimeService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let mut sender = self.sender.clone();
        self.runtime.block_on(async {
            let answer = sender.send_request(request).await.unwrap();
            let headers = answer.headers().clone();
            let collected = answer.into_body().collect().await.unwrap();
            let trailers = collected.trailers().cloned().unwrap_or_default();
            let field = |name: &str| {
                let value = trailers.get(name).or_else(|| headers.get(name))?;
                Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            if field("grpc-status").as_deref() != Some("0") {
                return Err(format!("{method}: {}", field("grpc-message").unwrap_or_default()));
            }
            // A byte that says that it is not compressed, and the length.
            Ok(collected.to_bytes().slice(5..))
        })
    }
}

/// A message of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap());
        self
    }

    fn bytes(self, field: u64, value: &[u8]) -> Self {
        let mut this = self.varint(field << 3 | 2).varint(value.len() as u64);
        this.0.extend(value);
        this
    }

    fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    fn number(self, field: u64, value: u64) -> Self {
        self.varint(field << 3).varint(value)
    }
}

/// The text in the first field, shorter than 128 bytes: an id.
fn first_text(message: &[u8]) -> String {
    let [0x0a, length, rest @ ..] = message else { panic!("{message:?}") };
    String::from_utf8(rest[..usize::from(*length)].to_vec()).unwrap()
}
