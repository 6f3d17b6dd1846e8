//! A real collector of OpenTelemetry of one test alone: on loopback, and it prints each log record that it receives.

use std::{collections::BTreeMap, net::SocketAddr, process::Stdio};

use super::{Running, agent::free_address, tied, tool, wait_for};

/// A log record as the collector understood it: the attributes of its resource and its own, and what else it prints.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// `EventName`, `SeverityText`, `Body` and the like.
    pub(crate) fields: BTreeMap<String, String>,
}

/// Where one listens, whether it runs or not.
pub(crate) struct Collector {
    program: String,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    running: Option<Running>,
}

impl Collector {
    /// One that is not started yet; `None` where there is none.
    pub(crate) fn find() -> Option<Self> {
        let program = tool("collector", "rotel-agent")?.display().to_string();
        Some(Self { program, grpc: free_address(), http: free_address(), running: None })
    }

    /// Starts it anew: it has received nothing yet.
    pub(crate) fn start(&mut self) {
        let mut command = tied(&self.program);
        command.args(["start", "--exporter", "blackhole", "--debug-log", "logs"]);
        command.args(["--debug-log-verbosity", "detailed"]);
        command.args(["--otlp-grpc-endpoint", &self.grpc.to_string()]);
        command.args(["--otlp-http-endpoint", &self.http.to_string()]);
        command.stdin(Stdio::null());
        self.running = Some(Running::start(command));
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(rustix::process::Signal::KILL);
            running.finish();
        }
    }

    /// The first record that it has received since it was started that fits.
    pub(crate) fn await_record(&mut self, what: &str, fits: impl Fn(&Received) -> bool) -> Received {
        let running = self.running.as_mut().expect("it was started");
        wait_for(what, || {
            assert_eq!(running.ended(), None, "the collector ended: {}", running.stderr());
            records(&(running.stdout() + &running.stderr())).into_iter().find(&fits)
        })
    }
}

/// What it printed, without colours. A record that is not whole yet is left out.
fn records(printed: &str) -> Vec<Received> {
    let (mut found, mut now, mut of_record) = (Vec::new(), Received::default(), false);
    for line in printed.lines() {
        if let Some(attribute) = line.trim_start().strip_prefix("-> ") {
            let Some((key, value)) = attribute.split_once(": ") else { continue };
            let of = if of_record { &mut now.attributes } else { &mut now.resource };
            of.insert(key.to_owned(), bare(value));
        } else if line.starts_with("ResourceLog #") {
            (now, of_record) = (Received::default(), false);
        } else if line.starts_with("LogRecord #") {
            (now.attributes, now.fields, of_record) = (BTreeMap::new(), BTreeMap::new(), true);
        } else if line.starts_with("Flags:") && of_record {
            found.push(now.clone());
        } else if let Some((key, value)) = line.split_once(": ") {
            now.fields.insert(key.to_owned(), bare(value));
        }
    }
    found
}

/// `Str(api)` is `api`.
fn bare(value: &str) -> String {
    let inner = ["Str(", "Int(", "Bool("].iter().find_map(|kind| value.strip_prefix(kind));
    inner.and_then(|inner| inner.strip_suffix(')')).unwrap_or(value).to_owned()
}
