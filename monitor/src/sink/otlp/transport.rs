//! The connection to a receiver: carries one request and reads the answer, both over the one HTTP client. Never tries twice.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, Uri,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
    http::uri::PathAndQuery,
};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use tonic::{body::Body, client::Grpc, metadata::MetadataMap};
use tonic_prost::{ProstCodec, prost::Message as _};

use super::{
    Protocol, Settings,
    retry::{Verdict, of_grpc, of_http},
};

/// Bytes of an answer, and of its headers.
const MAX_ANSWER: usize = 64 << 10;
const MAX_HEADERS: u32 = 16 << 10;
const METHOD: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: &str = "application/json";
const AGENT: &str = concat!("gomon/", env!("CARGO_PKG_VERSION"));
/// How tonic begins the message of a status of its own, which no receiver sent.
const TOO_LARGE: &str = "Error, decoded message length too large";

pub(super) struct Transport {
    endpoint: Uri,
    protocol: Protocol,
    headers: HeaderMap,
    timeout: Duration,
    connector: HttpsConnector<HttpConnector>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Transport {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { endpoint, protocol, mut headers, timeout, roots } = settings;
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let connector = roots.connector(protocol);
        let client = client(protocol, connector.clone());
        Self { endpoint, protocol, headers, timeout, connector, client }
    }

    /// Sends it, and says what became of it.
    pub(super) async fn export(&mut self, request: ExportLogsServiceRequest) -> Verdict {
        let answer = async {
            match self.protocol {
                Protocol::Grpc => self.by_grpc(request).await,
                Protocol::HttpProtobuf => self.by_http(&request).await,
            }
        };
        let verdict = tokio::time::timeout(self.timeout, answer).await.unwrap_or_else(|_| Verdict::Again {
            after: None,
            why: format!("no answer within {:?}", self.timeout),
        });
        if matches!(verdict, Verdict::Again { .. }) {
            // A connection that hangs would be used again.
            self.client = client(self.protocol, self.connector.clone());
        }
        verdict
    }

    async fn by_grpc(&self, request: ExportLogsServiceRequest) -> Verdict {
        let mut grpc = Grpc::with_origin(self.client.clone(), self.endpoint.clone())
            .max_decoding_message_size(MAX_ANSWER);
        if let Err(error) = grpc.ready().await {
            return failed(&error);
        }
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        request.set_timeout(self.timeout);
        let codec: ProstCodec<ExportLogsServiceRequest, ExportLogsServiceResponse> = ProstCodec::default();
        match grpc.unary(request, PathAndQuery::from_static(METHOD), codec).await {
            Ok(answer) => accepted(answer.into_inner()),
            Err(status) if status.message().starts_with(TOO_LARGE) => {
                Verdict::Refused { why: status.message().to_owned() }
            }
            // One with a source stands for a broken connection; no receiver sent it.
            Err(status) => Error::source(&status).map_or_else(|| of_grpc(&status), failed),
        }
    }

    async fn by_http(&self, request: &ExportLogsServiceRequest) -> Verdict {
        let mut post = Request::new(Body::new(Full::new(Bytes::from(request.encode_to_vec()))));
        *post.method_mut() = Method::POST;
        *post.uri_mut() = self.endpoint.clone();
        *post.headers_mut() = self.headers.clone();
        post.headers_mut().insert(CONTENT_TYPE, PROTOBUF);
        match self.client.request(post).await {
            Ok(answer) => read(answer).await,
            Err(error) => failed(&error),
        }
    }
}

fn client(
    protocol: Protocol,
    connector: HttpsConnector<HttpConnector>,
) -> Client<HttpsConnector<HttpConnector>, Body> {
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(1)
        .http1_max_buf_size(MAX_ANSWER)
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_only(protocol == Protocol::Grpc)
        .build(connector)
}

async fn read(answer: Response<Incoming>) -> Verdict {
    let status = answer.status();
    if !status.is_success() {
        let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        return of_http(status.as_u16(), after, Timestamp::now());
    }
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with(JSON) {
        return Verdict::Accepted { rejected: 0, message: String::new() };
    }
    let body = match Limited::new(answer.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Verdict::Refused { why: format!("the answer is longer than {MAX_ANSWER} bytes") };
        }
        Err(error) => return failed(&*error),
    };
    match ExportLogsServiceResponse::decode(body) {
        Ok(answer) => accepted(answer),
        Err(_) => Verdict::Refused { why: "the answer is none of OTLP: is this a receiver?".to_owned() },
    }
}

fn accepted(answer: ExportLogsServiceResponse) -> Verdict {
    let partial = answer.partial_success.unwrap_or_default();
    let rejected = u64::try_from(partial.rejected_log_records).unwrap_or(0);
    Verdict::Accepted { rejected, message: partial.error_message }
}

/// Nobody answered.
fn failed(error: &(dyn Error + 'static)) -> Verdict {
    let (mut why, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        why.push_str(": ");
        why.push_str(&error.to_string());
        cause = error.source();
    }
    Verdict::Again { after: None, why }
}
