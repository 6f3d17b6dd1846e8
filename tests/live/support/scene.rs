//! A container with what is to become of it and what gomon is to say: played in parallel, judged together.

use std::{sync::Mutex, thread};

use serde_json::Value;

use super::{
    Agent, Container, PATIENCE,
    container::{Said, docker_ok},
    wait_for, wait_up_to,
};

/// Containers that start at the same time.
const AT_ONCE: usize = 4;

/// How a container comes to its end.
#[derive(Debug, Clone, Copy)]
enum Finale {
    /// By itself.
    Runs,
    /// `docker stop` once it is ready.
    Stopped { grace: &'static str },
    /// `docker kill` once it is ready.
    Killed,
    /// `docker rm --force` once it is ready.
    Removed,
    /// Not before it has been judged.
    LivesOn,
}

/// The diagnosis that a container is to get.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    pattern: &'static str,
    severity: &'static str,
    confidence: &'static str,
    /// Each of these is in the subject or in the summary.
    says: &'static [&'static str],
}

/// One container of a test.
pub(crate) struct Scene {
    container: Container,
    finale: Finale,
    /// What its exit code is to be, so that the test is known to test what it says.
    exits: &'static [i32],
    verdict: Option<Verdict>,
    /// Arguments of each `docker exec` while it runs, and its exit code.
    visits: Vec<(&'static [&'static str], i32)>,
    /// Its end waits until Docker has found it healthy.
    is_checked: bool,
    id: String,
}

/// A healthy container of a fixture image that ends with one of `exits`.
pub(crate) fn scene(
    what: &str,
    image: &'static str,
    command: &'static [&'static str],
    exits: &'static [i32],
) -> Scene {
    Scene {
        container: Container::new(what, image, command),
        finale: Finale::Runs,
        exits,
        verdict: None,
        visits: Vec::new(),
        is_checked: false,
        id: String::new(),
    }
}

impl Scene {
    /// Options of `docker run`.
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.container = self.container.with(options);
        self
    }

    /// It gets this diagnosis, certain and an error, and none besides.
    pub(crate) fn fails(mut self, pattern: &'static str, says: &'static [&'static str]) -> Self {
        self.verdict = Some(Verdict { pattern, severity: "error", confidence: "certain", says });
        self
    }

    /// Less severe.
    pub(crate) fn severity(mut self, severity: &'static str) -> Self {
        self.verdict = self.verdict.map(|verdict| Verdict { severity, ..verdict });
        self
    }

    /// Less sure.
    pub(crate) fn confidence(mut self, confidence: &'static str) -> Self {
        self.verdict = self.verdict.map(|verdict| Verdict { confidence, ..verdict });
        self
    }

    /// Stopped after it said that it is ready.
    pub(crate) fn stopped(self, grace: &'static str) -> Self {
        Self { finale: Finale::Stopped { grace }, ..self }
    }

    /// Killed after it said that it is ready.
    pub(crate) fn killed(self) -> Self {
        Self { finale: Finale::Killed, ..self }
    }

    /// Removed by force after it said that it is ready.
    pub(crate) fn removed(self) -> Self {
        Self { finale: Finale::Removed, ..self }
    }

    /// Serves while it is judged, and is removed afterwards: how it would end does not matter.
    pub(crate) fn lives(self) -> Self {
        Self { finale: Finale::LivesOn, ..self }
    }

    /// Somebody runs a command in it before the end.
    pub(crate) fn visited(mut self, command: &'static [&'static str], exit: i32) -> Self {
        self.visits.push((command, exit));
        self
    }

    /// Its health check passes before the end.
    pub(crate) fn checked(self) -> Self {
        Self { is_checked: true, ..self }
    }

    fn perform(&mut self) {
        let code = match self.finale {
            Finale::Runs => {
                let said = self.container.run();
                self.id = self.container.id();
                self.code(&said)
            }
            Finale::LivesOn => return self.serve(),
            Finale::Stopped { .. } | Finale::Killed | Finale::Removed => self.end(),
        };
        let expected = self.exits.contains(&code);
        assert!(expected, "{:?} ended with {code}, not with one of {:?}", self.container, self.exits);
    }

    fn code(&self, said: &Said) -> i32 {
        said.code.unwrap_or_else(|| panic!("{:?}: {said:?}", self.container))
    }

    fn serve(&mut self) {
        self.container.serve();
        self.id = self.container.id();
        let name = self.container.name.as_str();
        for (command, expected) in &self.visits {
            let mut line = vec!["exec", name];
            line.extend(*command);
            let said = super::docker(&line);
            assert_eq!(said.code, Some(*expected), "{line:?}: {said:?}");
        }
        if self.is_checked {
            let health = || self.container.inspect("{{.State.Health.Status}}");
            wait_for(&format!("{name} to be healthy"), || (health() == "healthy").then_some(()));
        }
    }

    fn end(&mut self) -> i32 {
        self.serve();
        let name = self.container.name.as_str();
        match self.finale {
            Finale::Runs | Finale::LivesOn => {}
            Finale::Stopped { grace } => drop(docker_ok(&["stop", "--time", grace, name])),
            Finale::Killed => drop(docker_ok(&["kill", name])),
            Finale::Removed => {
                docker_ok(&["rm", "--force", name]);
                return 137;
            }
        }
        self.container.wait()
    }

    /// What is wrong with gomon's answer.
    fn faults(&self, agent: &Agent) -> Vec<String> {
        let found = agent.diagnoses(&self.id);
        let fault = |what: String| format!("{}: {what}", self.container.name);
        match (self.verdict, found.as_slice()) {
            (None, []) => Vec::new(),
            (None, found) => vec![fault(format!("healthy, and got {found:#?}"))],
            (Some(verdict), [one]) => verdict
                .faults(one, &self.container)
                .into_iter()
                .map(|what| fault(what) + &format!(": {one:#}"))
                .collect(),
            (Some(verdict), found) => {
                vec![fault(format!(
                    "{} expected alone, got {} findings: {found:#?}",
                    verdict.pattern,
                    found.len()
                ))]
            }
        }
    }
}

impl Verdict {
    fn faults(&self, found: &Value, container: &Container) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |is_right: bool, what: String| {
            if !is_right {
                faults.push(what);
            }
        };
        for (field, expected) in [
            ("/pattern", self.pattern),
            ("/severity", self.severity),
            ("/confidence", self.confidence),
            ("/target/name", &container.name),
            ("/target/image", &container.image),
            ("/target/runtime", "docker"),
        ] {
            check(
                found.pointer(field).and_then(Value::as_str) == Some(expected),
                format!("{field} is not {expected}"),
            );
        }
        let text = |field: &str| found[field].as_str().unwrap_or_default();
        let told = format!("{}\n{}", text("subject"), text("summary"));
        for word in self.says {
            check(told.contains(word), format!("{word:?} is not named"));
        }
        check(found["count"] == 1, "it is not counted once".to_owned());
        check(!text("remedy").is_empty(), "there is no remedy".to_owned());
        let seen =
            |one: &Value| (one["source"] == "kernel" || one["source"] == "procfs") && one["time"].is_string();
        let evidence = found["evidence"].as_array().expect("a list");
        check(evidence.iter().any(seen), "no evidence is something that was seen, with its time".to_owned());
        faults
    }
}

/// Plays all scenes and checks what the agent says about each, also after everything has come in.
pub(crate) fn play(agent: &Agent, mut scenes: Vec<Scene>) {
    let waiting = Mutex::new(scenes.iter_mut());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scene) = { waiting.lock().ok().and_then(|mut waiting| waiting.next()) } {
                    scene.perform();
                }
            });
        }
    });
    let mut faults = Vec::new();
    let settled = || {
        faults = scenes.iter().flat_map(|scene| scene.faults(agent)).collect();
        faults.is_empty().then_some(())
    };
    // What lasts has to last for a while before it is told.
    let lasts = scenes.iter().any(|scene| matches!(scene.finale, Finale::LivesOn));
    wait_up_to(if lasts { PATIENCE } else { PATIENCE / 3 }, settled);
    fence(agent);
    faults = scenes.iter().flat_map(|scene| scene.faults(agent)).collect();
    assert!(faults.is_empty(), "{}\n--- the agent said:\n{}", faults.join("\n"), agent.log());
}

/// Waits until the agent has judged a container that failed after all others, and counted it: whatever they did is known
/// by then.
pub(crate) fn fence(agent: &Agent) {
    let last = Container::new("fence", "scratch", &["/app/probe.glibc"]);
    let counted = || {
        agent.metrics().sum("gomon_bpf_events_total", &[("probe", "exec_failed"), ("result", "submitted")])
    };
    let before = counted();
    last.run();
    let id = last.id();
    wait_for("the fence", || (!agent.diagnoses(&id).is_empty()).then_some(()));
    wait_for("the fence to be counted", || (counted() > before).then_some(()));
}
