//! The agent's configuration: flags over `GOMON_*` over drop-ins over the file over defaults. An unknown key is an error.

pub mod kubernetes;
pub mod otlp;
mod reload;
pub mod store;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use reload::Reload;

use crate::{nearest::nearest, sink::metrics::DEFAULT_MAX_SERIES};
use kubernetes::{KubernetesConfig, Said};
use otlp::{Endpoint, HeaderSource, OtlpConfig, Protocol};
use store::StoreConfig;

/// Where the configuration is, unless `--config` says otherwise. It may be missing.
pub const DEFAULT_PATH: &str = "/etc/gomon/gomon.yaml";
/// Where the agent listens, unless configured.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:9477";
/// Where the agent's unix socket is, unless configured.
pub const DEFAULT_SOCKET: &str = "/run/gomon/gomon.sock";
/// Bytes of one file.
const MAX_BYTES: u64 = 1 << 20;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word that log filters know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The agent's configuration, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `HOST:PORT` of metrics and API.
    pub listen: String,
    /// The unix socket of the same API.
    pub socket: PathBuf,
    /// Sockets of container runtimes; empty: the known places.
    pub runtime_sockets: Vec<PathBuf>,
    /// Where the host's root file system is mounted.
    pub host_root: PathBuf,
    /// Most metric series of containers.
    pub max_series: usize,
    /// Where incidents are kept, and for how long; `None` keeps none.
    pub store: Option<StoreConfig>,
    /// Where diagnoses go as log records of OpenTelemetry; `None` sends none.
    pub otlp: Option<OtlpConfig>,
    /// Where Kubernetes Events are written; `None` writes none.
    pub kubernetes: Option<KubernetesConfig>,
    /// Whether the agent gives up what it no longer needs once it watches.
    pub confine: bool,
    pub log_format: LogFormat,
    pub log_level: LogLevel,
}

/// What one source says; `None` where it says nothing. Its fields are the keys of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layer {
    pub listen: Option<String>,
    pub socket: Option<PathBuf>,
    pub runtime_sockets: Option<Vec<PathBuf>>,
    pub host_root: Option<PathBuf>,
    pub max_series: Option<usize>,
    /// A path; `none` or nothing at all turns the store off.
    pub store: Option<String>,
    /// A duration such as `30d`.
    pub store_max_age: Option<String>,
    /// A size such as `256MiB`.
    pub store_max_size: Option<String>,
    /// A URL; `none` or nothing at all sends nothing.
    pub otlp_endpoint: Option<Endpoint>,
    pub otlp_protocol: Option<Protocol>,
    /// One that a variable of OpenTelemetry's names and gomon does not speak: wrong only where nothing else is chosen.
    #[serde(skip)]
    pub otlp_unspoken: Option<String>,
    /// In a file the path of another file: what is secret has no place in a configuration.
    #[serde(rename = "otlp_headers_file")]
    pub otlp_headers: Option<HeaderSource>,
    /// A duration such as `10s`.
    pub otlp_timeout: Option<String>,
    pub otlp_ca_file: Option<PathBuf>,
    pub kubernetes_events: Option<bool>,
    pub kubernetes_events_per_minute: Option<u32>,
    /// `https://HOST:PORT`.
    pub kubernetes_api: Option<String>,
    pub kubernetes_credentials: Option<PathBuf>,
    pub node_name: Option<String>,
    pub confine: Option<bool>,
    pub log_format: Option<LogFormat>,
    pub log_level: Option<LogLevel>,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: larger than {MAX_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{}:{line}: unknown key \"{key}\"; {hint}", path.display())]
    UnknownKey { path: PathBuf, line: u64, key: String, hint: String },
    #[error("{}:{line}: {message}", path.display())]
    Syntax { path: PathBuf, line: u64, message: String },
    #[error("{key} is \"{value}\": {wanted}")]
    Value { key: &'static str, value: String, wanted: &'static str },
}

impl Config {
    /// Reads the file and its drop-ins, and puts `flags` over them and `below` under them. Without `path` it is the
    /// default one, which may be missing.
    pub fn load(path: Option<&Path>, flags: Layer, below: Layer) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let mut merged = below;
        match read(file) {
            Ok(layer) => merged = layer.over(merged),
            Err(ConfigError::Read { source, .. })
                if path.is_none() && source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for path in drop_ins(file)? {
            merged = read(&path)?.over(merged);
        }
        Self::complete(flags.over(merged))
    }

    /// Fills in the defaults and checks the values.
    fn complete(layer: Layer) -> Result<Self, ConfigError> {
        let said = layer.of_kubernetes();
        let Layer { listen, socket, runtime_sockets, host_root, max_series, .. } = layer;
        let Layer { store, store_max_age, store_max_size, confine, log_format, log_level, .. } = layer;
        let Layer { otlp_endpoint, otlp_protocol, otlp_headers, otlp_timeout, otlp_ca_file, .. } = layer;
        let otlp = otlp::Keys {
            endpoint: otlp_endpoint,
            protocol: otlp_protocol,
            unspoken: layer.otlp_unspoken,
            headers: otlp_headers,
            timeout: otlp_timeout,
            ca_file: otlp_ca_file,
        };
        let config = Self {
            listen: listen.unwrap_or_else(|| DEFAULT_LISTEN.to_owned()),
            socket: socket.unwrap_or_else(|| DEFAULT_SOCKET.into()),
            runtime_sockets: runtime_sockets.unwrap_or_default(),
            host_root: host_root.unwrap_or_else(|| "/".into()),
            max_series: max_series.unwrap_or(DEFAULT_MAX_SERIES),
            store: StoreConfig::complete(store, store_max_age, store_max_size)?,
            otlp: otlp.complete()?,
            kubernetes: KubernetesConfig::complete(said)?,
            confine: confine.unwrap_or(true),
            log_format: log_format.unwrap_or(LogFormat::Text),
            log_level: log_level.unwrap_or(LogLevel::Info),
        };
        config.check()
    }

    fn check(self) -> Result<Self, ConfigError> {
        let wrong =
            |key, value: &str, wanted| Err(ConfigError::Value { key, value: value.to_owned(), wanted });
        let port = self.listen.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return wrong("listen", &self.listen, "an address such as 127.0.0.1:9477 is needed");
        }
        let paths = [("socket", &self.socket), ("host_root", &self.host_root)]
            .into_iter()
            .chain(self.runtime_sockets.iter().map(|path| ("runtime_sockets", path)));
        for (key, path) in paths {
            if !path.is_absolute() {
                return wrong(key, &path.to_string_lossy(), "an absolute path is needed");
            }
        }
        Ok(self)
    }
}

impl Layer {
    /// What `self` says, and where it says nothing what `below` says.
    fn over(self, below: Self) -> Self {
        let Said { events, per_minute, api, credentials, node } = self.of_kubernetes();
        let Self { listen, socket, runtime_sockets, host_root, max_series, .. } = self;
        let Self { store, store_max_age, store_max_size, confine, log_format, log_level, .. } = self;
        let Self { otlp_endpoint, otlp_protocol, otlp_headers, otlp_timeout, otlp_ca_file, .. } = self;
        Self {
            listen: listen.or(below.listen),
            socket: socket.or(below.socket),
            runtime_sockets: runtime_sockets.or(below.runtime_sockets),
            host_root: host_root.or(below.host_root),
            max_series: max_series.or(below.max_series),
            store: store.or(below.store),
            store_max_age: store_max_age.or(below.store_max_age),
            store_max_size: store_max_size.or(below.store_max_size),
            otlp_endpoint: otlp_endpoint.or(below.otlp_endpoint),
            otlp_protocol: otlp_protocol.or(below.otlp_protocol),
            otlp_unspoken: self.otlp_unspoken.or(below.otlp_unspoken),
            otlp_headers: otlp_headers.or(below.otlp_headers),
            otlp_timeout: otlp_timeout.or(below.otlp_timeout),
            otlp_ca_file: otlp_ca_file.or(below.otlp_ca_file),
            kubernetes_events: events.or(below.kubernetes_events),
            kubernetes_events_per_minute: per_minute.or(below.kubernetes_events_per_minute),
            kubernetes_api: api.or(below.kubernetes_api),
            kubernetes_credentials: credentials.or(below.kubernetes_credentials),
            node_name: node.or(below.node_name),
            confine: confine.or(below.confine),
            log_format: log_format.or(below.log_format),
            log_level: log_level.or(below.log_level),
        }
    }

    fn of_kubernetes(&self) -> Said {
        Said {
            events: self.kubernetes_events,
            per_minute: self.kubernetes_events_per_minute,
            api: self.kubernetes_api.clone(),
            credentials: self.kubernetes_credentials.clone(),
            node: self.node_name.clone(),
        }
    }
}

/// The drop-ins of `file` in the order of their names: `gomon.d/*.yaml` beside `gomon.yaml`.
fn drop_ins(file: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let directory = file.with_extension("d");
    let failed = |source| ConfigError::Read { path: directory.clone(), source };
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Layer, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    parse(path, &fs::read_to_string(path).map_err(failed)?)
}

/// One file's text; `path` is for messages only.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let parsed: Result<Option<Layer>, _> = serde_saphyr::from_str(text);
    parsed.map(Option::unwrap_or_default).map_err(|error| explain(path, &error))
}

fn explain(path: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let path = path.to_owned();
    let error = error.without_snippet();
    let line = error.location().map_or(0, |location| location.line());
    if let serde_saphyr::Error::SerdeUnknownField { field, expected, .. } = error {
        let hint = nearest(field, expected.iter().copied()).map_or_else(
            || format!("known keys are {}", expected.join(", ")),
            |near| format!("did you mean \"{near}\"?"),
        );
        return ConfigError::UnknownKey { path, line, key: field.clone(), hint };
    }
    ConfigError::Syntax { path, line, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    fn load(files: &[(&str, &str)], flags: Layer) -> Result<Config, ConfigError> {
        let directory = written(files);
        Config::load(Some(&directory.path().join("gomon.yaml")), flags, Layer::default())
    }

    #[test]
    fn flags_outweigh_drop_ins_and_these_the_file_and_later_names_earlier_ones() {
        let files = [
            ("gomon.yaml", "listen: 127.0.0.1:1\nmax_series: 1\nsocket: /a\nlog_level: warn\n"),
            ("gomon.d/10.yaml", "listen: 127.0.0.1:2\nmax_series: 2\nsocket: /b\n"),
            ("gomon.d/20.yaml", "listen: 127.0.0.1:3\nmax_series: 3\n"),
            ("gomon.d/30.yaml.off", "nonsense: 1\n"),
        ];
        let flags = Layer { listen: Some("127.0.0.1:4".to_owned()), ..Layer::default() };
        let config = load(&files, flags).unwrap();
        assert_eq!(config.listen, "127.0.0.1:4");
        assert_eq!(config.max_series, 3);
        assert_eq!(config.socket, PathBuf::from("/b"));
        assert_eq!(config.log_level, LogLevel::Warn);
        assert_eq!(config.log_format, LogFormat::Text);
    }

    #[test]
    fn an_unknown_key_names_file_line_and_the_nearest_key() {
        let error = load(&[("gomon.yaml", "# gomon\nsocket: /a\nlisen: 127.0.0.1:1\n")], Layer::default());
        let message = error.unwrap_err().to_string();
        assert!(
            message.ends_with("gomon.yaml:3: unknown key \"lisen\"; did you mean \"listen\"?"),
            "{message}"
        );
        let error = load(&[("gomon.yaml", ""), ("gomon.d/a.yaml", "\nzebra: 1\n")], Layer::default());
        let message = error.unwrap_err().to_string();
        assert!(message.contains("a.yaml:2: unknown key \"zebra\"; known keys are listen, "), "{message}");
    }

    #[test]
    fn a_wrong_type_and_broken_yaml_name_file_and_line() {
        for text in [
            "\nmax_series: many\n",
            "\nlog_format: xml\n",
            "\nlisten: [\n",
            "\n- listen\n",
            "\nlisten: a\nlisten: b\n",
        ] {
            let message = load(&[("gomon.yaml", text)], Layer::default()).unwrap_err().to_string();
            let place = message.split_once("gomon.yaml:").and_then(|(_, rest)| rest.chars().next());
            assert!(place.is_some_and(|line| ('2'..='4').contains(&line)), "{text:?}: {message}");
        }
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        for text in ["", "# nothing\n", "---\n", "{}\n"] {
            let config = load(&[("gomon.yaml", text)], Layer::default()).unwrap();
            assert_eq!(config.listen, DEFAULT_LISTEN, "{text:?}");
            assert_eq!(config.host_root, PathBuf::from("/"));
        }
    }

    #[test]
    fn a_named_file_must_exist() {
        assert!(matches!(load(&[], Layer::default()), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn a_value_that_cannot_work_is_refused() {
        for text in
            ["listen: 9477", "listen: ':9477'", "listen: host:http", "socket: gomon.sock", "host_root: host"]
        {
            assert!(
                matches!(load(&[("gomon.yaml", text)], Layer::default()), Err(ConfigError::Value { .. })),
                "{text}"
            );
        }
    }
}
