//! A running agent: its API and its metrics over HTTP.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Finished, PATIENCE, Running, gomon, wait_for};

const SOCKET: &str = "run/gomon.sock";

/// An agent of this test alone; ends when dropped.
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    running: Running,
    dir: TempDir,
}

impl Agent {
    /// Starts one and waits until it sees.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with variables of its environment.
    pub(crate) fn start_with(variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the agent");
        let store = dir.path().join("gomon/gomon.db");
        Self::begin(dir, &store, variables)
    }

    /// Starts one that keeps its incidents in this file.
    pub(crate) fn start_on(store: &Path) -> Self {
        Self::begin(tempfile::tempdir().expect("a directory for the agent"), store, &[])
    }

    fn begin(dir: TempDir, store: &Path, variables: &[(&str, &str)]) -> Self {
        let address = free_address();
        // In a directory that the agent makes: there it may remove it, as another user.
        let (config, socket) = (dir.path().join("gomon.yaml"), dir.path().join(SOCKET));
        std::fs::write(&config, "").expect("an empty configuration");
        let mut command = gomon(&["agent", "--listen", &address.to_string()]);
        command.arg("--config").arg(config).arg("--socket").arg(socket);
        command.arg("--store").arg(store);
        command.envs(variables.iter().copied());
        let agent = Self { address, running: Running::start(command), dir };
        agent.ready()
    }

    /// One that listens at `address`, whatever starts it. Its socket and its configuration are in `dir`.
    pub(crate) fn launch(command: Command, address: SocketAddr, dir: TempDir) -> Self {
        Self { address, running: Running::start(command), dir }
    }

    /// Waits until it sees.
    pub(crate) fn ready(mut self) -> Self {
        wait_for("the agent to be ready", || {
            assert_eq!(self.running.ended(), None, "the agent ended: {}", self.running.stderr());
            self.ask("/readyz").filter(|(status, _)| *status == 200)
        });
        self
    }

    /// The status and the text of a page; `None` where nobody answers.
    pub(crate) fn ask(&self, path: &str) -> Option<(u16, String)> {
        get(self.address, path)
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("gomon.yaml")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Ends it without a word; what is left of its directory.
    pub(crate) fn kill(self) -> TempDir {
        self.signal(Signal::KILL);
        self.running.finish();
        self.dir
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join(SOCKET)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Tells it to stop; how it ended.
    pub(crate) fn stop(self) -> Finished {
        self.running.stop()
    }

    /// Its process.
    pub(crate) fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// In whichever form it is.
    pub(crate) fn log(&self) -> String {
        self.running.stderr() + &self.running.stdout()
    }

    /// A page that must be there.
    pub(crate) fn get(&self, path: &str) -> String {
        let (status, body) = get(self.address, path).expect("the agent answers");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The diagnoses of the container with this id, remarks of severity info left out: almost every container has some.
    pub(crate) fn diagnoses(&self, id: &str) -> Vec<Value> {
        let mut all = self.remarks_and_diagnoses(id);
        all.retain(|one| one["severity"] != "info");
        all
    }

    /// All that is said of the container with this id.
    pub(crate) fn remarks_and_diagnoses(&self, id: &str) -> Vec<Value> {
        let text = self.get(&format!("/api/v1/diagnoses?container={id}"));
        let value: Value = serde_json::from_str(&text).expect("the API speaks JSON");
        assert_eq!(value["schema_version"], 1);
        value["diagnoses"].as_array().expect("a list").clone()
    }

    pub(crate) fn metrics(&self) -> Series {
        Series::parse(&self.get("/metrics"))
    }
}

/// All samples of a scrape.
pub(crate) struct Series(Vec<(String, BTreeMap<String, String>, f64)>);

impl Series {
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(samples.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect())
    }

    /// The samples of a metric that have all these labels.
    pub(crate) fn of<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a BTreeMap<String, String>, f64)> {
        let fits = |found: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| found.get(*label).is_some_and(|found| found == value))
        };
        self.0
            .iter()
            .filter(move |(found, labels, _)| found == name && fits(labels))
            .map(|(_, labels, value)| (labels, *value))
    }

    /// The sum of these samples; `None` if there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.of(name, labels).map(|(_, value)| value).reduce(|a, b| a + b)
    }
}

/// `name{label="value",…} number`; no label value of these tests has a quote or a comma.
fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let labels = labels.split_terminator("\",").filter_map(|pair| {
        let (label, value) = pair.split_once("=\"")?;
        Some((label.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some((name.to_owned(), labels.collect(), value.parse().ok()?))
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port")
}

fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    ask(address, "GET", path, "")
}

/// Status and body of an answer. Asks with HTTP/1.0, so that the answer ends with the connection and is never chunked.
pub(super) fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
