//! Writes to the Kubernetes API, and its answers. TLS, and the token that the kubelet renews, are kube's. Never retries.

use std::{env, time::Duration};

use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Resource as _,
    client::Body,
    config::{AuthInfo, Config},
    core::request::Request,
};
use serde_json::Value;

use super::answer::{Answer, Verb, judge};
use crate::config::kubernetes::KubernetesConfig;

/// For one write, from the connection to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// An event comes back as it was written, and a little more.
const ANSWER_BYTES: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("the address of the Kubernetes API is not known: this is no pod, and kubernetes_api is not set")]
    NoAddress,
    #[error("{0} is no address")]
    Address(String),
    #[error("the Kubernetes API cannot be used with the credentials in {0}")]
    Credentials(String, #[source] kube::Error),
    #[error("the Kubernetes API cannot be asked")]
    Request(#[from] kube::core::request::Error),
    #[error("the Kubernetes API does not answer")]
    Send(#[from] kube::Error),
    #[error("the Kubernetes API does not answer within {} s", PATIENCE.as_secs())]
    Late,
}

/// A connection, and what is needed to make it anew.
pub(super) struct Client(kube::Client);

impl Client {
    /// Reads the credentials; connects with the first write.
    pub(super) fn new(config: &KubernetesConfig) -> Result<Self, ClientError> {
        let address = config.api.clone().or_else(in_cluster).ok_or(ClientError::NoAddress)?;
        let address = address.parse().map_err(|_| ClientError::Address(address.clone()))?;
        let file = |name: &str| config.credentials.join(name);
        let mut settings = Config::new(address);
        // Both are read anew as the kubelet replaces them.
        settings.root_cert_file = Some(file("ca.crt"));
        settings.root_cert = Some(Vec::new());
        let token_file = Some(file("token").to_string_lossy().into_owned());
        settings.auth_info = AuthInfo { token_file, ..AuthInfo::default() };
        settings.connect_timeout = Some(PATIENCE);
        settings.read_timeout = Some(PATIENCE);
        settings.write_timeout = Some(PATIENCE);
        // Tries are counted, and spread, by who calls this.
        settings.default_retry = false;
        let client = kube::Client::try_from(settings);
        client.map(Self).map_err(|error| {
            ClientError::Credentials(config.credentials.to_string_lossy().into_owned(), error)
        })
    }

    pub(super) async fn create(&self, event: &Event) -> Result<Answer, ClientError> {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let body = serde_json::to_vec(event).unwrap_or_default();
        let request = requests(namespace).create(&kube::api::PostParams::default(), body)?;
        Ok(self.send(Verb::Create, request).await?.0)
    }

    /// The answer, and the count of the event's series as it is now.
    pub(super) async fn patch(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<(Answer, u64), ClientError> {
        let patch = kube::api::Patch::Merge(patch);
        let request = requests(namespace).patch(name, &kube::api::PatchParams::default(), &patch)?;
        let (answer, body) = self.send(Verb::Patch, request).await?;
        let event: Option<Event> = serde_json::from_slice(&body).ok();
        let count = event.and_then(|event| event.series).map_or(1, |series| series.count);
        Ok((answer, u64::try_from(count).unwrap_or(1)))
    }

    async fn send(
        &self,
        verb: Verb,
        request: hyper::Request<Vec<u8>>,
    ) -> Result<(Answer, Vec<u8>), ClientError> {
        let answer = async {
            let response = self.0.send(request.map(Body::from)).await?;
            let code = response.status().as_u16();
            let header = response.headers().get(hyper::header::RETRY_AFTER).cloned();
            // What cannot be read to its end leaves the code to judge by.
            let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            let body = body.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
            let retry_after = header.as_ref().and_then(|header| header.to_str().ok());
            Ok((judge(verb, code, retry_after, &body), body))
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or(Err(ClientError::Late))
    }
}

fn requests(namespace: &str) -> Request {
    Request::new(Event::url_path(&(), Some(namespace)))
}

/// What the kubelet tells every pod.
fn in_cluster() -> Option<String> {
    let of = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let (host, port) = (of("KUBERNETES_SERVICE_HOST")?, of("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(format!("https://{host}:{port}"))
}
