//! The options of each command.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use clap_complete::Shell;

use super::{
    parse::{AnswerFormat, PageFormat, StreamFormat, format, severity},
    target::Target,
};
use crate::{
    config::{self, LogFormat, LogLevel, otlp::Protocol},
    model::diagnosis::Severity,
    report::Format,
    when::{self, Since},
};

const TARGET: &str = "Container name or id, RUNTIME://ID, NAMESPACE/POD[/CONTAINER] or pid:N";
const TARGET_OR_ALL: &str =
    "Container name or id, RUNTIME://ID, NAMESPACE/POD[/CONTAINER] or pid:N; all containers without it";

/// Which containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Selection")]
pub struct Selection {
    /// Containers of this Kubernetes namespace
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Containers of this pod
    #[arg(short, long, value_name = "NAME")]
    pub pod: Option<String>,
    /// Containers of this name
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
}

/// Where the host and its runtimes are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Host")]
pub struct HostArgs {
    /// Socket of a container runtime; may be given several times
    #[arg(
        long = "runtime-socket",
        value_name = "PATH",
        env = "GOMON_RUNTIME_SOCKETS",
        value_delimiter = ','
    )]
    pub runtime_sockets: Vec<PathBuf>,
    /// Where the host's root file system is mounted
    #[arg(long, value_name = "PATH", env = "GOMON_HOST_ROOT")]
    pub host_root: Option<PathBuf>,
}

/// Which findings to show and to fail on, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Output")]
pub struct ReportArgs {
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "columns", value_parser = format())]
    pub output: Format,
    /// Show findings of this severity and above
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity())]
    pub min_severity: Severity,
    /// Exit with 1 for a finding of this severity or above
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = severity())]
    pub fail_on: Severity,
}

/// `gomon agent`.
#[derive(Debug, Clone, Args)]
pub struct AgentArgs {
    /// Serve metrics and the API on this address [default: 127.0.0.1:9477]
    #[arg(long, value_name = "HOST:PORT", env = "GOMON_LISTEN")]
    pub listen: Option<String>,
    /// Serve the API on this unix socket [default: /run/gomon/gomon.sock]
    #[arg(long, value_name = "PATH", env = "GOMON_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Most metric series of containers [default: 20000]
    #[arg(long = "metrics-max-series", value_name = "N", env = "GOMON_MAX_SERIES")]
    pub max_series: Option<usize>,
    /// Keep incidents in this file; none keeps none [default: /var/lib/gomon/gomon.db]
    #[arg(long, value_name = "PATH", env = "GOMON_STORE")]
    pub store: Option<String>,
    /// Keep incidents for so long after they were last seen [default: 30d]
    #[arg(long, value_name = "DURATION", env = "GOMON_STORE_MAX_AGE")]
    pub store_max_age: Option<String>,
    /// Keep so much; beyond it the oldest incidents go [default: 256MiB]
    #[arg(long, value_name = "SIZE", env = "GOMON_STORE_MAX_SIZE")]
    pub store_max_size: Option<String>,
    /// Send diagnoses as OpenTelemetry log records to this URL; none sends none [default: none]
    #[arg(long, value_name = "URL", env = "GOMON_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// How they travel [default: grpc]
    #[arg(long, value_name = "PROTOCOL", env = "GOMON_OTLP_PROTOCOL")]
    pub otlp_protocol: Option<Protocol>,
    /// Headers of every request, `NAME: VALUE` a line; read once, at the start
    #[arg(long, value_name = "PATH", env = "GOMON_OTLP_HEADERS_FILE")]
    pub otlp_headers_file: Option<PathBuf>,
    /// Wait so long for an answer [default: 10s]
    #[arg(long, value_name = "DURATION", env = "GOMON_OTLP_TIMEOUT")]
    pub otlp_timeout: Option<String>,
    /// Certificates of the authorities that count for https, PEM [default: those of the system]
    #[arg(long, value_name = "PATH", env = "GOMON_OTLP_CA_FILE")]
    pub otlp_ca_file: Option<PathBuf>,
    /// Write Kubernetes Events about what is found in pods [default: false]
    #[arg(long, value_name = "BOOL", env = "GOMON_KUBERNETES_EVENTS", num_args = 0..=1, default_missing_value = "true")]
    pub kubernetes_events: Option<bool>,
    /// Write so many of them in a minute at most [default: 10]
    #[arg(long, value_name = "N", env = "GOMON_KUBERNETES_EVENTS_PER_MINUTE")]
    pub kubernetes_events_per_minute: Option<u32>,
    /// The Kubernetes API [default: what the kubelet tells the pod]
    #[arg(long, value_name = "URL", env = "GOMON_KUBERNETES_API")]
    pub kubernetes_api: Option<String>,
    /// Directory of token and ca.crt for it [default: /var/run/secrets/kubernetes.io/serviceaccount]
    #[arg(long, value_name = "PATH", env = "GOMON_KUBERNETES_CREDENTIALS")]
    pub kubernetes_credentials: Option<PathBuf>,
    /// Name of this node in what is told to others [default: the host name]
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    pub node_name: Option<String>,
    /// Give up what is no longer needed once it watches; false is for debugging [default: true]
    #[arg(long, value_name = "BOOL", env = "GOMON_CONFINE")]
    pub confine: Option<bool>,
    /// Form of the log: text goes to stderr, json to stdout [default: text]
    #[arg(long, value_name = "FORMAT", env = "GOMON_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Log this level and above [default: info]
    #[arg(long, value_name = "LEVEL", env = "GOMON_LOG_LEVEL")]
    pub log_level: Option<LogLevel>,
    /// Configuration file; drop-ins lie beside it in a directory of the same name with .d
    #[arg(long, value_name = "PATH", env = "GOMON_CONFIG")]
    pub config: Option<PathBuf>,
    /// Check the configuration and exit
    #[arg(long)]
    pub check_config: bool,
    #[command(flatten)]
    pub host: HostArgs,
}

impl AgentArgs {
    /// The configuration that flags and the environment give; `quiet` and `verbose` outweigh the level.
    #[must_use]
    pub fn layer(&self, quiet: bool, verbose: u8) -> config::Layer {
        let log_level = match (quiet, verbose) {
            (true, _) => Some(LogLevel::Error),
            (false, 0) => self.log_level,
            (false, 1) => Some(LogLevel::Debug),
            (false, 2..) => Some(LogLevel::Trace),
        };
        config::Layer {
            listen: self.listen.clone(),
            socket: self.socket.clone(),
            runtime_sockets: Some(self.host.runtime_sockets.clone()).filter(|sockets| !sockets.is_empty()),
            host_root: self.host.host_root.clone(),
            max_series: self.max_series,
            store: self.store.clone(),
            store_max_age: self.store_max_age.clone(),
            store_max_size: self.store_max_size.clone(),
            otlp_endpoint: self.otlp_endpoint.clone().map(Into::into),
            otlp_protocol: self.otlp_protocol,
            otlp_unspoken: None,
            otlp_headers: self.otlp_headers_file.clone().map(Into::into),
            otlp_timeout: self.otlp_timeout.clone(),
            otlp_ca_file: self.otlp_ca_file.clone(),
            kubernetes_events: self.kubernetes_events,
            kubernetes_events_per_minute: self.kubernetes_events_per_minute,
            kubernetes_api: self.kubernetes_api.clone(),
            kubernetes_credentials: self.kubernetes_credentials.clone(),
            node_name: self.node_name.clone(),
            confine: self.confine,
            log_format: self.log_format,
            log_level,
        }
    }
}

/// `gomon diagnose`.
#[derive(Debug, Clone, Args)]
pub struct DiagnoseArgs {
    #[arg(help = TARGET, required_unless_present_any = ["namespace", "pod", "container"])]
    pub target: Option<Target>,
    #[command(flatten)]
    pub selection: Selection,
    /// Look back so far: 10m, or a time such as 2026-03-01T09:30:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Go on watching and print each new finding
    #[arg(short, long)]
    pub watch: bool,
    /// Stop after this time: 30s, 5m
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    pub timeout: Option<Duration>,
    /// Ask the agent on this unix socket [default: /run/gomon/gomon.sock]
    #[arg(long, value_name = "PATH", env = "GOMON_SOCKET")]
    pub socket: Option<PathBuf>,
    #[command(flatten)]
    pub report: ReportArgs,
    #[command(flatten)]
    pub host: HostArgs,
}

/// `gomon events`.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    #[arg(help = TARGET_OR_ALL)]
    pub target: Option<Target>,
    #[command(flatten)]
    pub selection: Selection,
    /// Stop after this time: 30s, 5m
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    pub timeout: Option<Duration>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "columns")]
    pub output: StreamFormat,
    #[command(flatten)]
    pub host: HostArgs,
}

/// `gomon record`.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    #[arg(help = TARGET_OR_ALL)]
    pub target: Option<Target>,
    #[command(flatten)]
    pub selection: Selection,
    /// Write the recording to this file; - for standard output
    #[arg(short, long, value_name = "PATH")]
    pub output: PathBuf,
    /// Stop after this time: 30s, 5m
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub host: HostArgs,
}

/// `gomon replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Recording to read; - for standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `gomon doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Look for the agent on this unix socket [default: /run/gomon/gomon.sock]
    #[arg(long, value_name = "PATH", env = "GOMON_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "columns")]
    pub output: AnswerFormat,
    #[command(flatten)]
    pub host: HostArgs,
}

/// `gomon explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Pattern id as in a finding; a list of all without it
    pub pattern: Option<String>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "columns")]
    pub output: PageFormat,
}

/// `gomon completions`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CompletionsArgs {
    /// Shell to complete in
    pub shell: Shell,
}

/// `gomon version`.
#[derive(Debug, Clone, Copy, Args)]
pub struct VersionArgs {
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "columns")]
    pub output: AnswerFormat,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "gomon")]
    enum All {
        Agent(AgentArgs),
        Diagnose(DiagnoseArgs),
        Events(EventsArgs),
        Record(RecordArgs),
        Replay(ReplayArgs),
        Doctor(DoctorArgs),
    }

    fn parse(line: &str) -> Result<All, clap::Error> {
        All::try_parse_from(std::iter::once("gomon").chain(line.split_whitespace()))
    }

    #[test]
    fn the_documented_command_lines_parse() {
        for line in [
            "agent --listen 0.0.0.0:9477 --runtime-socket /run/docker.sock --runtime-socket /run/c.sock --check-config",
            "agent --store /var/lib/gomon/a.db --store-max-age 7d --store-max-size 1GiB",
            "agent --config /tmp/gomon.yaml --metrics-max-series 500 --confine false --log-format json --host-root /host",
            "agent --otlp-endpoint https://c:4318 --otlp-protocol http/protobuf --otlp-headers-file /h --otlp-timeout 5s",
            "agent --kubernetes-events --node-name n1 --kubernetes-events-per-minute 20 --kubernetes-api https://10.0.0.1",
            "diagnose api -o json --fail-on error --min-severity warning --timeout 30s",
            "diagnose -n shop -p api-7d9f --since 10m -w",
            "diagnose shop/api-7d9f/api --since 2026-03-01T09:30:00Z",
            "events -c api -o jsonl --timeout 1h30m",
            "record api -o - --timeout 5m",
            "replay run.jsonl -o markdown",
            "doctor -o json",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
    }

    #[test]
    fn a_wrong_command_line_is_refused() {
        for line in [
            "diagnose",
            "diagnose api -o html",
            "diagnose api --fail-on fatal",
            "diagnose api --timeout 10",
            "diagnose api --since soon",
            "diagnose rkt://x",
            "events --follow",
            "record api",
            "replay",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn quiet_and_verbose_outweigh_the_level() {
        let Ok(All::Agent(args)) = parse("agent --log-level warn") else { panic!("does not parse") };
        let level = |quiet, verbose| args.layer(quiet, verbose).log_level;
        assert_eq!(level(false, 0), Some(LogLevel::Warn));
        assert_eq!(level(false, 1), Some(LogLevel::Debug));
        assert_eq!(level(false, 3), Some(LogLevel::Trace));
        assert_eq!(level(true, 0), Some(LogLevel::Error));
    }
}
