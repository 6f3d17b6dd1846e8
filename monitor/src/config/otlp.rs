//! Where diagnoses go as log records, and how, as configured: gomon's own keys, and below them OpenTelemetry's variables.
//! Opens files only in [`OtlpConfig::settings`]; shows no header to anybody.

mod headers;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use hyper::Uri;
use serde::Deserialize;

use super::{ConfigError, Layer};
use crate::{
    sink::otlp::{Roots, Settings, TlsError},
    when,
};

pub use crate::sink::otlp::Protocol;
pub use headers::{HeaderError, HeaderSource};

/// Headers that are given in the environment: `NAME=VALUE,NAME=VALUE`, the values percent-encoded.
pub const HEADERS: &str = "GOMON_OTLP_HEADERS";
/// The default of the OTLP specification.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_TIMEOUT: Duration = Duration::from_mins(5);
/// What the specification appends to an endpoint of all signals.
const LOGS: &str = "/v1/logs";
const ENDPOINT: &str = "otlp_endpoint";

/// Where a receiver is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Endpoint {
    /// Of all signals.
    Base(String),
    /// Of logs alone: it is taken as it is.
    Logs(String),
}

impl From<String> for Endpoint {
    fn from(text: String) -> Self {
        Self::Base(text)
    }
}

/// The values of the keys `otlp_*`.
pub(super) struct Keys {
    pub(super) endpoint: Option<Endpoint>,
    pub(super) protocol: Option<Protocol>,
    pub(super) unspoken: Option<String>,
    pub(super) headers: Option<HeaderSource>,
    pub(super) timeout: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
}

/// The export of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// For `http/protobuf` with its path.
    pub endpoint: Uri,
    pub protocol: Protocol,
    pub headers: Option<HeaderSource>,
    pub timeout: Duration,
    pub ca_file: Option<PathBuf>,
}

/// What is wrong with what the configuration names.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("otlp_headers_file or {HEADERS}")]
    Headers(#[from] HeaderError),
    #[error("otlp_ca_file")]
    Tls(#[from] TlsError),
}

impl Keys {
    pub(super) fn complete(self) -> Result<Option<OtlpConfig>, ConfigError> {
        let wrong = |key, value: String, wanted| Err(ConfigError::Value { key, value, wanted });
        let Self { endpoint, protocol, unspoken, headers, timeout, ca_file } = self;
        let timeout = match timeout {
            None => DEFAULT_TIMEOUT,
            Some(text) => match when::duration(&text) {
                Ok(timeout) if !timeout.is_zero() && timeout <= LONGEST_TIMEOUT => timeout,
                Ok(_) | Err(_) => {
                    return wrong("otlp_timeout", text, "a duration such as 10s is needed, 5m at most");
                }
            },
        };
        let files = [
            ("otlp_headers_file", headers.as_ref().and_then(HeaderSource::path)),
            ("otlp_ca_file", ca_file.as_deref()),
        ];
        for (key, path) in files {
            if let Some(path) = path.filter(|path| !path.is_absolute()) {
                return wrong(key, path.to_string_lossy().into_owned(), "an absolute path is needed");
            }
        }
        let endpoint = match endpoint {
            None => return Ok(None),
            Some(Endpoint::Base(text) | Endpoint::Logs(text)) if text.is_empty() || text == "none" => {
                return Ok(None);
            }
            Some(endpoint) => endpoint,
        };
        let protocol = match (protocol, unspoken) {
            (Some(protocol), _) => protocol,
            (None, None) => Protocol::Grpc,
            (None, Some(other)) => {
                return wrong("OTEL_EXPORTER_OTLP_PROTOCOL", other, "grpc or http/protobuf is needed");
            }
        };
        let endpoint = of(endpoint, protocol)?;
        Ok(Some(OtlpConfig { endpoint, protocol, headers, timeout, ca_file }))
    }
}

impl OtlpConfig {
    /// Reads what it names: with the rights of the start, before an agent gives them up.
    pub fn settings(&self) -> Result<Settings, OtlpError> {
        let Self { endpoint, protocol, headers, timeout, ca_file } = self;
        let roots = match ca_file {
            Some(path) => Roots::file(path)?,
            None if endpoint.scheme_str() == Some("https") => Roots::system()?,
            None => Roots::none()?,
        };
        let headers = headers.as_ref().map(HeaderSource::read).transpose()?.unwrap_or_default();
        Ok(Settings { endpoint: endpoint.clone(), protocol: *protocol, headers, timeout: *timeout, roots })
    }
}

/// The URL that requests go to.
fn of(endpoint: Endpoint, protocol: Protocol) -> Result<Uri, ConfigError> {
    let (text, is_base) = match endpoint {
        Endpoint::Base(text) => (text, true),
        Endpoint::Logs(text) => (text, false),
    };
    let wrong = |wanted| {
        // A password has no place in it, and none in a message.
        let shown = text.rsplit_once('@').map_or(text.clone(), |(_, host)| format!("…@{host}"));
        ConfigError::Value { key: ENDPOINT, value: shown, wanted }
    };
    let uri: Uri = text.parse().map_err(|_| wrong("a URL such as http://127.0.0.1:4317 is needed"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(wrong("a URL such as http://127.0.0.1:4317 is needed"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("a URL without user and password is needed: send them in a header"));
    }
    if uri.query().is_some() {
        return Err(wrong("a URL without a query is needed"));
    }
    let path = uri.path().trim_end_matches('/');
    match protocol {
        Protocol::Grpc if path.is_empty() => Ok(uri),
        Protocol::Grpc => Err(wrong("a URL without a path is needed for grpc")),
        Protocol::HttpProtobuf if !is_base || path.ends_with(LOGS) => Ok(uri),
        Protocol::HttpProtobuf => {
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = format!("{path}{LOGS}").parse().ok();
            Uri::from_parts(parts).map_err(|_| wrong("a URL such as http://127.0.0.1:4318 is needed"))
        }
    }
}

/// What OpenTelemetry's own variables say: those of logs before those of all signals.
#[must_use]
pub fn standard(variable: impl Fn(&str) -> Option<String>) -> Layer {
    let of_logs = |what: &str| variable(&format!("OTEL_EXPORTER_OTLP_LOGS_{what}"));
    let of_all = |what: &str| variable(&format!("OTEL_EXPORTER_OTLP_{what}"));
    let either = |what: &str| of_logs(what).or_else(|| of_all(what));
    let named = either("PROTOCOL");
    let protocol = match named.as_deref() {
        Some("grpc") => Some(Protocol::Grpc),
        Some("http/protobuf") => Some(Protocol::HttpProtobuf),
        Some(_) | None => None,
    };
    Layer {
        otlp_endpoint: of_logs("ENDPOINT")
            .map(Endpoint::Logs)
            .or_else(|| of_all("ENDPOINT").map(Endpoint::Base)),
        otlp_protocol: protocol,
        otlp_unspoken: named.filter(|_| protocol.is_none()),
        otlp_headers: either("HEADERS").map(HeaderSource::given),
        // The specification counts in milliseconds.
        otlp_timeout: either("TIMEOUT").map(|text| format!("{text}ms")),
        otlp_ca_file: either("CERTIFICATE").map(PathBuf::from),
        ..Layer::default()
    }
}
