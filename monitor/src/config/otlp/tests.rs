//! Keys and variables become an endpoint, or name what is wrong; headers stay secret.

use std::{collections::BTreeMap, fs};

use super::*;
use crate::config::Config;

fn config(layer: Layer) -> Result<Option<OtlpConfig>, String> {
    Config::complete(layer).map(|config| config.otlp).map_err(|error| error.to_string())
}

fn layer(endpoint: &str, protocol: Protocol) -> Layer {
    Layer {
        otlp_endpoint: Some(endpoint.to_owned().into()),
        otlp_protocol: Some(protocol),
        ..Layer::default()
    }
}

fn standard_of(variables: &[(&str, &str)]) -> Layer {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    standard(|name| variables.get(name).map(ToString::to_string))
}

#[test]
fn nothing_is_sent_unless_an_endpoint_is_named() {
    assert_eq!(config(Layer::default()), Ok(None));
    for off in ["", "none"] {
        assert_eq!(config(layer(off, Protocol::Grpc)), Ok(None));
    }
    let otlp = config(layer("http://127.0.0.1:4317", Protocol::Grpc)).unwrap().unwrap();
    assert_eq!(
        (otlp.endpoint.to_string().as_str(), otlp.timeout),
        ("http://127.0.0.1:4317/", DEFAULT_TIMEOUT)
    );
}

#[test]
fn http_gets_the_path_of_logs_unless_it_has_it() {
    for (base, whole) in [
        ("http://c:4318", "http://c:4318/v1/logs"),
        ("http://c:4318/", "http://c:4318/v1/logs"),
        ("https://c/otlp/", "https://c/otlp/v1/logs"),
        ("https://c/otlp/v1/logs", "https://c/otlp/v1/logs"),
    ] {
        let otlp = config(layer(base, Protocol::HttpProtobuf)).unwrap().unwrap();
        assert_eq!(otlp.endpoint.to_string(), whole);
    }
}

#[test]
fn a_value_that_cannot_work_names_its_key_and_shows_no_password() {
    for endpoint in
        ["127.0.0.1:4317", "unix:///run/otel.sock", "http://", "http://c:4317/path", "http://c?x=1"]
    {
        let message = config(layer(endpoint, Protocol::Grpc)).unwrap_err();
        assert!(message.starts_with("otlp_endpoint is ") && message.contains("needed"), "{message}");
    }
    let message = config(layer("http://user:geheim@c:4317", Protocol::Grpc)).unwrap_err();
    assert!(!message.contains("geheim") && message.contains("header"), "{message}");
    let of = |change: fn(&mut Layer)| {
        let mut layer = layer("http://c:4317", Protocol::Grpc);
        change(&mut layer);
        config(layer).unwrap_err()
    };
    for (message, key) in [
        (of(|layer| layer.otlp_timeout = Some("0s".to_owned())), "otlp_timeout is"),
        (of(|layer| layer.otlp_timeout = Some("1h".to_owned())), "otlp_timeout is"),
        (of(|layer| layer.otlp_ca_file = Some("ca.pem".into())), "otlp_ca_file is"),
        (of(|layer| layer.otlp_headers = Some(PathBuf::from("h").into())), "otlp_headers_file is"),
    ] {
        assert!(message.starts_with(key), "{message}");
    }
}

#[test]
fn opentelemetrys_variables_count_below_gomons_own_keys() {
    let below = standard_of(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "1500"),
    ]);
    let otlp = config(below.clone()).unwrap().unwrap();
    assert_eq!(otlp.endpoint.to_string(), "http://all:4318/v1/logs");
    assert_eq!(otlp.timeout, Duration::from_millis(1_500));
    let own = Layer { otlp_endpoint: Some("http://own:4318".to_owned().into()), ..Layer::default() };
    let otlp = config(own.over(below)).unwrap().unwrap();
    assert_eq!(otlp.endpoint.to_string(), "http://own:4318/v1/logs");
    let logs = standard_of(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:1/as/is"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ]);
    let otlp = config(logs).unwrap().unwrap();
    assert_eq!(otlp.endpoint.to_string(), "http://logs:1/as/is");
}

#[test]
fn a_protocol_for_others_that_gomon_does_not_speak_is_wrong_only_where_gomon_would_speak_it() {
    let json = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    assert_eq!(config(standard_of(&[json])), Ok(None));
    let below = standard_of(&[json, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318")]);
    let message = config(below.clone()).unwrap_err();
    assert!(message.contains("OTEL_EXPORTER_OTLP_PROTOCOL is \"http/json\""), "{message}");
    let own = Layer { otlp_protocol: Some(Protocol::HttpProtobuf), ..Layer::default() };
    assert!(config(own.over(below)).unwrap().is_some());
}

#[test]
fn headers_come_from_a_file_or_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("headers");
    fs::write(&path, "# of the collector\nAuthorization: Bearer a%20b=,c\n\nx-scope-orgid: shop\n").unwrap();
    let headers = HeaderSource::from(path.clone()).read().unwrap();
    assert_eq!(headers.get("authorization").unwrap(), "Bearer a%20b=,c");
    assert_eq!(headers.get("x-scope-orgid").unwrap(), "shop");
    let given = HeaderSource::given("api-key=a%20b, x=y=z".to_owned()).read().unwrap();
    assert_eq!(
        (given.get("api-key").unwrap().as_bytes(), given.get("x").unwrap().as_bytes()),
        (&b"a b"[..], &b"y=z"[..])
    );
    assert!(headers.values().chain(given.values()).all(HeaderValueExt::is_secret));
}

trait HeaderValueExt {
    fn is_secret(&self) -> bool;
}

impl HeaderValueExt for hyper::header::HeaderValue {
    fn is_secret(&self) -> bool {
        self.is_sensitive() && !format!("{self:?}").contains(self.to_str().unwrap())
    }
}

#[test]
fn wrong_headers_are_named_by_their_place_and_never_shown() {
    for (text, place) in [
        ("geheim", "header 1"),
        ("a=b,gehe im=c", "header 2"),
        ("a=geheim%zz", "header 1"),
        ("a=geheim%0a", "header 1"),
    ] {
        let source = HeaderSource::given(text.to_owned());
        let message = source.read().unwrap_err().to_string();
        assert!(message.starts_with(place) && !message.contains("gehe"), "{message}");
        assert_eq!(format!("{source:?}"), "…");
    }
    let absent = HeaderSource::from(PathBuf::from("/nonexistent/headers")).read().unwrap_err();
    assert!(absent.to_string().contains("/nonexistent/headers"), "{absent}");
}

#[test]
fn a_file_of_authorities_has_to_hold_some() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    fs::write(&path, "nothing").unwrap();
    let otlp = |ca_file: &PathBuf| {
        let mut layer = layer("https://127.0.0.1:4317", Protocol::Grpc);
        layer.otlp_ca_file = Some(ca_file.clone());
        config(layer).unwrap().unwrap()
    };
    assert!(otlp(&path).settings().is_err());
    assert!(otlp(&dir.path().join("absent.pem")).settings().is_err());
}
