//! Whole pieces of work inside a container: many execs, a storm of opens, a service under load, a cold `go build`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::figures::{Comparison, Round};
use super::operation::Operation;
use super::peer::Peer;
use super::place::Place;
use super::rounds;
use super::subject::{Lineup, Subject};
use super::worker::Worker;
use crate::setup::go::Go;
use crate::{cache, command, process};

const SOURCE: &str = "xtask/src/bench/service";
/// What `go build` builds from nothing; it is small so that many rounds fit.
const COLD: &str = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"built\") }\n";
const CONNECTIONS: &str = "4";
const STOP: Duration = Duration::from_secs(5);

/// How much and how often.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Effort {
    pub(super) rounds: u32,
    pub(super) execs: u32,
    pub(super) opens: u32,
    pub(super) load: Duration,
    /// A cold build takes the longest by far.
    pub(super) build: bool,
}

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    Execs,
    Opens,
    WantedOpens,
    ServiceMedian,
    ServiceP99,
    ServiceEach,
    Build,
}

/// One kind of work beside one subject.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) subject: Subject,
    pub(super) work: Work,
    pub(super) comparison: Comparison,
    rounds: Vec<Round>,
}

/// Everything that was measured here.
#[derive(Debug, Serialize)]
pub(super) struct Workloads {
    pub(super) effort: Effort,
    pub(super) cells: Vec<Cell>,
}

/// All kinds of work, once; in the units of the titles.
#[derive(Debug, Clone)]
struct Turn {
    execs: f64,
    opens: f64,
    wanted_opens: f64,
    service: Served,
    build: Option<f64>,
}

/// What the program under `SOURCE` prints.
#[derive(Debug, Clone, Deserialize)]
struct Served {
    requests: u32,
    median: f64,
    p99: f64,
    seconds: f64,
}

impl Work {
    pub(super) const ALL: [Self; 7] = [
        Self::Execs,
        Self::Opens,
        Self::WantedOpens,
        Self::ServiceMedian,
        Self::ServiceP99,
        Self::ServiceEach,
        Self::Build,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Execs => "starts of /bin/true in a row, µs each",
            Self::Opens => "failing opens in a row, ns each",
            Self::WantedOpens => "failing opens of a .so in a row, ns each",
            Self::ServiceMedian => "Go HTTP service under load, p50, µs",
            Self::ServiceP99 => "Go HTTP service under load, p99, µs",
            Self::ServiceEach => "Go HTTP service under load, µs of time for each request",
            Self::Build => "cold `go build`, ms",
        }
    }

    fn of(self, turn: &Turn) -> Option<f64> {
        Some(match self {
            Self::Execs => turn.execs,
            Self::Opens => turn.opens,
            Self::WantedOpens => turn.wanted_opens,
            Self::ServiceMedian => turn.service.median,
            Self::ServiceP99 => turn.service.p99,
            Self::ServiceEach => turn.service.seconds * 1e6 / f64::from(turn.service.requests.max(1)),
            Self::Build => return turn.build,
        })
    }
}

pub(super) fn measure(lineup: &Lineup, go: &Go, effort: Effort) -> Result<Workloads> {
    let dir = cache::dir("bench")?;
    let service = build_service(go, &dir)?;
    let root = Place::root()?;
    let container = root.container(1)?;
    let mut worker = Worker::start(container.directory())?;
    // Both tell of failing execs and opens.
    let mut subjects = vec![Subject::Gomon];
    subjects.extend(lineup.all_peers().contains(&Peer::Bpftrace).then_some(Subject::Peer(Peer::Bpftrace)));
    let blocks = rounds::interleave(lineup, &subjects, effort.rounds, || {
        let mut each = |operation, count: u32, unit: f64| -> Result<f64> {
            Ok(worker.repeat(operation, count)?.as_secs_f64() * unit / f64::from(count))
        };
        Ok(Turn {
            execs: each(Operation::Exec, effort.execs, 1e6)?,
            opens: each(Operation::OpenMissing, effort.opens, 1e9)?,
            wanted_opens: each(Operation::OpenMissingLibraryFlood, effort.opens, 1e9)?,
            service: serve(&container, &service, effort.load)?,
            build: effort.build.then(|| build_cold(go, &container, &dir)).transpose()?,
        })
    })?;
    let mut cells = Vec::new();
    for subject in subjects {
        cells.extend(Work::ALL.into_iter().filter_map(|work| {
            let rounds = rounds::of(&blocks, subject, |turn| work.of(turn));
            let comparison = Comparison::of(&rounds);
            (!rounds.is_empty()).then_some(Cell { subject, work, comparison, rounds })
        }));
    }
    Ok(Workloads { effort, cells })
}

fn build_service(go: &Go, dir: &Path) -> Result<PathBuf> {
    let program = dir.join("service");
    let mut build = go.command()?;
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(SOURCE).env("CGO_ENABLED", "0");
    command::quiet(&mut build)?;
    Ok(program)
}

/// A service that runs; ends when dropped.
struct Service {
    child: Option<Child>,
    address: String,
}

impl Service {
    fn start(container: &Place, program: &Path) -> Result<Self> {
        let mut command = container.command(program);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().context("cannot start the service")?;
        let mut service = Self { child: Some(child), address: String::new() };
        let answers = service.child.as_mut().and_then(|child| child.stdout.take()).context("no pipe")?;
        BufReader::new(answers).read_line(&mut service.address)?;
        if service.address.trim().is_empty() {
            bail!("the service named no address");
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            process::stop(child, "the service", STOP);
        }
    }
}

/// Requests from outside the container.
fn serve(container: &Place, program: &Path, time: Duration) -> Result<Served> {
    let service = Service::start(container, program)?;
    let mut load = std::process::Command::new(program);
    load.args(["load", service.address.trim(), &time.as_millis().to_string(), CONNECTIONS]);
    serde_json::from_str(&command::output(&mut load)?).context("the load printed no report")
}

/// With an empty cache of its own, inside the container; milliseconds.
fn build_cold(go: &Go, container: &Place, dir: &Path) -> Result<f64> {
    let work = dir.join("cold");
    remove(&work)?;
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    fs::write(work.join("main.go"), COLD)?;
    let settings = go.command()?;
    let mut build = container.command(Path::new(settings.get_program()));
    build.envs(settings.get_envs().filter_map(|(name, value)| Some((name, value?))));
    build.args(["build", "-o", "built", "main.go"]).current_dir(&work);
    build.env("GOCACHE", work.join("gocache")).env("CGO_ENABLED", "0");
    let start = Instant::now();
    command::quiet(&mut build)?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    remove(&work)?;
    Ok(took)
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if dir.exists() => Err(error).with_context(|| format!("cannot remove {}", dir.display())),
        _ => Ok(()),
    }
}
