//! A real Prometheus and a real Alertmanager of one test alone: on loopback, with short intervals, with what is shipped.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Running,
    agent::{ask, free_address},
    tied, tool, wait_up_to,
};

/// How long anything may take that normally takes a second or two: both tools are slow to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Another process may take the free port first.
const TRIES: usize = 5;

/// What `look` finds before the deadline.
///
/// # Panics
/// When it passes; the message names `what` was awaited, and what `told` says.
pub(crate) fn await_in<T>(what: &str, told: impl FnOnce() -> String, look: impl FnMut() -> Option<T>) -> T {
    let found = wait_up_to(PATIENCE, look);
    found.unwrap_or_else(|| panic!("waited {} s in vain for {what}: {}", PATIENCE.as_secs(), told()))
}

/// Labels and value.
type Sample = (BTreeMap<String, String>, f64);

/// Both servers; they end when dropped.
pub(crate) struct Monitoring {
    prometheus: Server,
    alertmanager: Server,
    _dir: TempDir,
}

impl Monitoring {
    /// Starts them with the shipped rules and examples. `None` where they are not installed.
    pub(crate) fn start(agent: SocketAddr) -> Option<Self> {
        let (prometheus, alertmanager) =
            (tool("prometheus", "prometheus")?, tool("prometheus", "prometheus-alertmanager")?);
        let dir = tempfile::tempdir().expect("a directory for both");
        let shipped = |name: &str| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus").join(name);
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        let place = |name: &str, text: String| {
            let file = dir.path().join(name);
            fs::write(&file, text).expect("a file for a server");
            file.display().to_string()
        };
        let config = place("alertmanager.yml", shipped("alertmanager.example.yaml"));
        let kept = dir.path().join("alertmanager").display().to_string();
        let alertmanager = Server::start(&alertmanager, |address| {
            vec![
                format!("--config.file={config}"),
                format!("--storage.path={kept}"),
                format!("--web.listen-address={address}"),
                "--cluster.listen-address=".to_owned(),
                "--log.level=warn".to_owned(),
            ]
        });
        // The shipped rules wait for minutes before they fire; here they do not.
        let rules = place("gomon.rules.yaml", without_waiting(&shipped("gomon.rules.yaml")));
        let scrape = shipped("scrape.example.yaml")
            .replace("127.0.0.1:9477", &agent.to_string())
            .replace("127.0.0.1:9093", &alertmanager.address.to_string())
            .replace("gomon.rules.yaml", &rules);
        let global = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n";
        let config = place("prometheus.yml", format!("{global}{scrape}"));
        let kept = dir.path().join("prometheus").display().to_string();
        let prometheus = Server::start(&prometheus, |address| {
            vec![
                format!("--config.file={config}"),
                format!("--storage.tsdb.path={kept}"),
                format!("--web.listen-address={address}"),
                "--log.level=warn".to_owned(),
            ]
        });
        Some(Self { prometheus, alertmanager, _dir: dir })
    }

    /// The answer to an instant query: labels and value of each sample, or what is wrong with the query.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Sample>, String> {
        let answer = self.prometheus.get(&format!("/api/v1/query?query={}", escaped(query)))?;
        let samples =
            answer.pointer("/data/result").and_then(Value::as_array).ok_or_else(|| answer.to_string())?;
        let sample = |one: &Value| {
            let labels = serde_json::from_value(one["metric"].clone()).ok()?;
            Some((labels, one.pointer("/value/1")?.as_str()?.parse().ok()?))
        };
        samples.iter().map(|one| sample(one).ok_or_else(|| one.to_string())).collect()
    }

    /// The value of the one sample of a query, while there is exactly one.
    pub(crate) fn value(&self, query: &str) -> Option<f64> {
        match self.query(query).as_deref() {
            Ok([(_, value)]) => Some(*value),
            _ => None,
        }
    }

    /// Every rule as Prometheus has it, with its health.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let answer = self.prometheus.get("/api/v1/rules").unwrap_or_default();
        let groups = answer.pointer("/data/groups").and_then(Value::as_array).cloned().unwrap_or_default();
        groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect()
    }

    /// What Alertmanager has that carries these labels.
    pub(crate) fn received(&self, labels: &[(&str, &str)]) -> Option<Value> {
        let alerts = self.alertmanager.get("/api/v2/alerts").ok()?;
        let fits = |alert: &&Value| labels.iter().all(|(label, value)| alert["labels"][*label] == *value);
        alerts.as_array()?.iter().find(fits).cloned()
    }

    /// Tells Alertmanager of an alert, as Prometheus would.
    pub(crate) fn post(&self, labels: &[(&str, &str)]) {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let body = json!([{ "labels": labels }]).to_string();
        let answer = ask(self.alertmanager.address, "POST", "/api/v2/alerts", &body);
        assert!(answer.as_ref().is_some_and(|(status, _)| *status == 200), "{answer:?}");
    }

    /// What both said, for the message of a failure.
    pub(crate) fn log(&self) -> String {
        format!("{}\n{}", self.prometheus.running.stderr(), self.alertmanager.running.stderr())
    }
}

/// One server, once it is ready.
struct Server {
    address: SocketAddr,
    running: Running,
}

impl Server {
    fn start(program: &Path, args: impl Fn(SocketAddr) -> Vec<String>) -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            let address = free_address();
            let mut command = with_share(program);
            command.args(args(address)).stdin(Stdio::null());
            let mut running = Running::start(command);
            let is_ready = wait_up_to(PATIENCE, || {
                let answers = ask(address, "GET", "/-/ready", "").is_some_and(|(status, _)| status == 200);
                match running.ended() {
                    Some(_) => Some(false),
                    None => answers.then_some(true),
                }
            });
            if is_ready == Some(true) {
                return Self { address, running };
            }
            said = running.stderr();
        }
        panic!("{} does not start: {said}", program.display())
    }

    /// A page of the API; an error is what the server says is wrong.
    fn get(&self, path: &str) -> Result<Value, String> {
        let (status, body) = ask(self.address, "GET", path, "").ok_or("no answer")?;
        if status == 200 { serde_json::from_str(&body).map_err(|error| error.to_string()) } else { Err(body) }
    }
}

/// The program, which sees as /usr/share what the set-up has put beside it: Debian's Alertmanager reads files there. No
/// other process sees it.
fn with_share(program: &Path) -> Command {
    let share = program.with_file_name("share");
    if !share.is_dir() {
        return tied(&program.display().to_string());
    }
    let mut command = tied("unshare");
    command.args(["--mount", "sh", "-c", r#"mount --bind "$0" /usr/share && exec "$@""#]);
    command.arg(share).arg(program);
    command
}

/// Alerts fire with the first evaluation.
fn without_waiting(rules: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix("for: ") {
        Some(_) => "        for: 0s".to_owned(),
        None => line.to_owned(),
    };
    rules.lines().map(|one| line(one) + "\n").collect()
}

/// `text` as the value of a parameter of a URL.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
