//! A receiver in this process that answers as it is told to, over HTTP/1.1 or gRPC. Not a test by itself.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    logs::v1::LogRecord,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tonic::Code;
use tonic_prost::prost::Message as _;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;

/// How it answers one request. After those that it was told, it takes everything.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Take,
    /// Not now; later, after so many seconds, if it says so.
    Busy(Option<u64>),
    /// Never.
    Refuse,
    /// All but so many.
    Partial(i64),
    Hang,
    Garbage,
    /// More than anybody should read.
    Endless,
    /// Breaks off.
    Break,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    taken: Vec<ExportLogsServiceRequest>,
    /// Of the last request.
    headers: HeaderMap,
    path: String,
    tries: Vec<Instant>,
}

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub(super) async fn start(protocol: Protocol, answers: &[Answer]) -> Self {
        Self::listen(protocol, "127.0.0.1:0".parse().unwrap(), answers, None).await
    }

    pub(super) async fn listen(
        protocol: Protocol,
        address: SocketAddr,
        answers: &[Answer],
        tls: Option<ServerConfig>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            Arc::new(Mutex::new(State { answers: answers.iter().copied().collect(), ..State::default() }));
        let shared = Arc::clone(&state);
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, acceptor) = (Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(protocol, stream, state).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(protocol, stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Summaries of the records that it took, in their order.
    pub(super) fn summaries(&self) -> Vec<String> {
        self.records().into_iter().map(|record| format!("{:?}", record.body)).collect()
    }

    pub(super) fn records(&self) -> Vec<LogRecord> {
        let state = self.state.lock().unwrap();
        let scopes = state.taken.iter().flat_map(|request| &request.resource_logs);
        scopes.flat_map(|one| &one.scope_logs).flat_map(|scope| scope.log_records.clone()).collect()
    }

    pub(super) fn tries(&self) -> Vec<Instant> {
        self.state.lock().unwrap().tries.clone()
    }

    pub(super) fn header(&self, name: &str) -> String {
        let state = self.state.lock().unwrap();
        state.headers.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    pub(super) fn path(&self) -> String {
        self.state.lock().unwrap().path.clone()
    }
}

async fn serve(
    protocol: Protocol,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    state: Arc<Mutex<State>>,
) {
    let service = service_fn(move |request| answer(protocol, Arc::clone(&state), request));
    let io = TokioIo::new(stream);
    // That a client goes away is part of the tests.
    match protocol {
        Protocol::Grpc => {
            drop(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await,
            );
        }
        Protocol::HttpProtobuf => {
            drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
        }
    }
}

async fn answer(
    protocol: Protocol,
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let message = if protocol == Protocol::Grpc { body.slice(5..) } else { body };
    let told = {
        let mut state = state.lock().unwrap();
        state.tries.push(Instant::now());
        head.uri.path().clone_into(&mut state.path);
        state.headers = head.headers;
        let told = state.answers.pop_front().unwrap_or(Answer::Take);
        if matches!(told, Answer::Take | Answer::Partial(_)) {
            state.taken.push(ExportLogsServiceRequest::decode(message).unwrap());
        }
        told
    };
    if matches!(told, Answer::Hang) {
        std::future::pending::<()>().await;
    }
    if matches!(told, Answer::Break) {
        return Err(std::io::Error::other("broken off"));
    }
    Ok(match protocol {
        Protocol::Grpc => by_grpc(told),
        Protocol::HttpProtobuf => by_http(told),
    })
}

fn message(told: Answer) -> Vec<u8> {
    match told {
        Answer::Partial(rejected_log_records) => ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records,
                error_message: "too old\u{1b}[2J".to_owned(),
            }),
        }
        .encode_to_vec(),
        Answer::Garbage => b"<html>welcome</html>".to_vec(),
        Answer::Endless => vec![b'x'; 1 << 20],
        Answer::Take | Answer::Busy(_) | Answer::Refuse | Answer::Hang | Answer::Break => Vec::new(),
    }
}

fn by_http(told: Answer) -> Response<BoxBody<Bytes, Infallible>> {
    let answer = Response::builder().header(CONTENT_TYPE, "application/x-protobuf");
    let answer = match told {
        Answer::Busy(None) => answer.status(502),
        Answer::Busy(Some(seconds)) => answer.status(503).header("retry-after", seconds),
        Answer::Refuse => answer.status(400),
        Answer::Take
        | Answer::Partial(_)
        | Answer::Hang
        | Answer::Garbage
        | Answer::Endless
        | Answer::Break => answer,
    };
    answer.body(Full::new(Bytes::from(message(told))).boxed()).unwrap()
}

fn by_grpc(told: Answer) -> Response<BoxBody<Bytes, Infallible>> {
    let status = match told {
        Answer::Busy(after) => {
            let mut details = ErrorDetails::new();
            details.set_retry_info(after.map(Duration::from_secs));
            tonic::Status::with_error_details(Code::Unavailable, "busy", details)
        }
        Answer::Refuse => tonic::Status::invalid_argument("no"),
        Answer::Take
        | Answer::Partial(_)
        | Answer::Hang
        | Answer::Garbage
        | Answer::Endless
        | Answer::Break => {
            let message = message(told);
            let mut frame = vec![0];
            frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            frame.extend(message);
            let trailers = HeaderMap::from_iter([(
                hyper::header::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            let body = Full::new(Bytes::from(frame)).with_trailers(async move { Some(Ok(trailers)) });
            return Response::builder().header(CONTENT_TYPE, "application/grpc").body(body.boxed()).unwrap();
        }
    };
    status.into_http::<Full<Bytes>>().map(BodyExt::boxed)
}
