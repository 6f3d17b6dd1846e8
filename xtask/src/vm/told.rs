//! What a guest told over its serial line, sorted by the way of hooking that it was about. Judges nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::agent::Metrics;

/// A line, as `guest.sh` writes it.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Up { release: String },
    Doctor { way: String, exit: i32 },
    Checks { way: String, document: Checks },
    Watching { way: String, is_ready: bool },
    Act { way: String, name: String, exit: i32, skipped: u64, partial: u64 },
    Skipped { way: String, count: u64 },
    Said { way: String, line: String },
    Diagnoses { way: String, document: Diagnoses },
    Metric { way: String, line: String },
    Event { way: String, document: Event },
    Ended { way: String, program: String, exit: i32 },
    Done {},
}

#[derive(Deserialize)]
struct Checks {
    checks: Vec<Check>,
}

/// A check of `gomon doctor`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) found: String,
    pub(super) remedy: Option<String>,
}

#[derive(Deserialize)]
struct Diagnoses {
    diagnoses: Vec<Diagnosis>,
}

/// A diagnosis of the agent's API.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Diagnosis {
    pub(super) pattern: String,
    pub(super) severity: String,
    pub(super) target: Target,
}

/// Whose diagnosis it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Target {
    pub(super) container_id: String,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) name: String,
    pub(super) runtime: String,
}

/// A line of `gomon events`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    pub(super) container: String,
    pub(super) container_id: String,
    #[serde(rename = "event")]
    pub(super) happened: Value,
}

/// How an act went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Played {
    /// The exit code that runc gave.
    pub(super) exit: i32,
    /// Runs of kernel programs that were left out meanwhile, and inspections that did not tell all.
    pub(super) excuses: u64,
}

/// Everything about one way.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) doctor_exit: Option<i32>,
    pub(super) checks: Vec<Check>,
    /// The agent and the stream of events came to watch; whether the agent calls itself ready.
    pub(super) watching: Option<bool>,
    /// By name, each time that one was played.
    pub(super) acts: BTreeMap<String, Vec<Played>>,
    /// Runs of kernel programs that the kernel left out, those of the agent and those of the stream.
    pub(super) skipped: u64,
    pub(super) diagnoses: Vec<Diagnosis>,
    /// A scrape.
    pub(super) metrics: String,
    pub(super) events: Vec<Event>,
    /// Exit codes of `agent` and `events`.
    pub(super) ended: BTreeMap<String, i32>,
    /// What programs wrote to their logs.
    pub(super) said: Vec<String>,
}

impl Heard {
    pub(super) fn scrape(&self) -> Metrics {
        Metrics::new(self.metrics.clone())
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct Told {
    pub(super) release: Option<String>,
    pub(super) ways: BTreeMap<String, Heard>,
    /// It came to its end.
    pub(super) is_done: bool,
    /// Lines that are none.
    pub(super) garbled: Vec<String>,
}

impl Told {
    pub(super) fn parse(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match serde_json::from_str(line) {
                Ok(line) => told.take(line),
                Err(error) => told.garbled.push(format!("{error}: {line}")),
            }
        }
        told
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Up { release } => self.release = Some(release),
            Line::Doctor { way, exit } => self.of(way).doctor_exit = Some(exit),
            Line::Checks { way, document } => self.of(way).checks = document.checks,
            Line::Watching { way, is_ready } => self.of(way).watching = Some(is_ready),
            Line::Act { way, name, exit, skipped, partial } => {
                let played = Played { exit, excuses: skipped + partial };
                self.of(way).acts.entry(name).or_default().push(played);
            }
            Line::Skipped { way, count } => self.of(way).skipped = count,
            Line::Said { way, line } => self.of(way).said.push(line),
            Line::Diagnoses { way, document } => self.of(way).diagnoses = document.diagnoses,
            Line::Metric { way, line } => {
                let metrics = &mut self.of(way).metrics;
                metrics.push_str(&line);
                metrics.push('\n');
            }
            Line::Event { way, document } => self.of(way).events.push(document),
            Line::Ended { way, program, exit } => drop(self.of(way).ended.insert(program, exit)),
            Line::Done {} => self.is_done = true,
        }
    }
    fn of(&mut self, way: String) -> &mut Heard {
        self.ways.entry(way).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_by_their_way_and_odd_ones_kept() {
        let told = Told::parse(
            "{\"kind\":\"up\",\"way\":\"none\",\"release\":\"6.1.0\"}\r\n\
            {\"kind\":\"doctor\",\"way\":\"auto\",\"exit\":3}\n\
            {\"kind\":\"metric\",\"way\":\"auto\",\"line\":\"gomon_x{a=\\\"b\\\"} 2\"}\n\
            {\"kind\":\"act\",\"way\":\"raw\",\"uptime\":9,\"name\":\"ran\",\"exit\":1,\"skipped\":2,\"partial\":1}\n\
            {\"kind\":\"act\",\"way\":\"raw\",\"uptime\":9,\"name\":\"ran\",\"exit\":7,\"skipped\":0,\"partial\":0}\n\
            {\"kind\":\"done\",\"way\":\"none\",\"uptime\":9.5}\n\
            [   12.3] a word of the kernel\n",
        );
        assert_eq!((told.release.as_deref(), told.is_done), (Some("6.1.0"), true));
        let auto = &told.ways["auto"];
        assert_eq!((auto.doctor_exit, auto.scrape().count("gomon_x", &[("a", "b")])), (Some(3), 2));
        let played = [Played { exit: 1, excuses: 3 }, Played { exit: 7, excuses: 0 }];
        assert_eq!(told.ways["raw"].acts["ran"], played);
        assert_eq!(told.garbled.len(), 1);
    }
}
