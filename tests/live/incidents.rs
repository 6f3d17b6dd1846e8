//! Incidents outlive the agent: it is killed, its disk is full, its store cannot be written or is damaged.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Agent, Container, docker, gomon, run, schema_faults_of_incidents, wait_for};

/// The loader of its program is missing.
fn broken(what: &str) -> Container {
    Container::new(what, "scratch", &["/app/probe.glibc"])
}

/// The incidents of a container in the file, read as an administrator reads it.
fn incidents(store: &Path, container: &Container) -> Vec<Value> {
    let mut command = gomon(&["incidents", "-c", &container.name, "-o", "json", "--store"]);
    command.arg(store);
    run(command).exits(0).json()["incidents"].as_array().unwrap().clone()
}

/// The one incident of a broken container, as soon as it is kept with this count.
fn kept(store: &Path, container: &Container, count: u64) -> Value {
    wait_for("the incident to be kept", || {
        let found = store.exists().then(|| incidents(store, container))?;
        let one = found.into_iter().find(|one| one["pattern"] == "missing-interpreter")?;
        (one["count"] == count).then_some(one)
    })
}

#[test]
fn a_killed_agent_has_lost_nothing_and_the_next_one_counts_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("gomon/gomon.db");
    let container = broken("kept");
    let agent = Agent::start_on(&store);
    container.run();
    let first = kept(&store, &container, 1);
    // What the agent says is what the file says.
    let id = first["id"].as_str().unwrap();
    let told: Value = serde_json::from_str(&agent.get(&format!("/api/v1/incidents/{id}"))).unwrap();
    assert_eq!((&told["incident"]["id"], &told["incident"]["count"]), (&first["id"], &first["count"]));
    assert_eq!(schema_faults_of_incidents(&told), Vec::<String>::new());
    let same = |now: &Value| {
        assert_eq!((&now["id"], &now["first_seen"]), (&first["id"], &first["first_seen"]));
    };
    drop(agent.kill());
    same(&kept(&store, &container, 1));
    let agent = Agent::start_on(&store);
    same(&kept(&store, &container, 1));
    // It fails, as it did before.
    docker(&["start", &container.name]);
    same(&kept(&store, &container, 2));
    agent.stop().exits(0);
    same(&kept(&store, &container, 2));
}

#[test]
fn a_container_that_runs_on_while_the_agent_is_away_is_not_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("gomon/gomon.db");
    let healthy = Container::new("standing", "scratch", &["/app/probe.static", "serve"]);
    let posture = |count: u64| {
        wait_for("the remark to be kept", || {
            let mut command = gomon(&["incidents", "-A", "-c", &healthy.name, "-o", "json", "--store"]);
            command.arg(&store);
            let listed = run(command).exits(0).json();
            let all = listed["incidents"].as_array().unwrap().clone();
            let one = all.into_iter().find(|one| one["pattern"] == "privilege-posture")?;
            assert_eq!(one["count"], count, "{one}");
            Some(one)
        })
    };
    let agent = Agent::start_on(&store);
    healthy.serve();
    let before = posture(1);
    drop(agent.kill());
    let agent = Agent::start_on(&store);
    wait_for("the agent to have found it again", || {
        agent
            .remarks_and_diagnoses(&healthy.id())
            .iter()
            .any(|one| one["pattern"] == "privilege-posture")
            .then_some(())
    });
    // What it found is written before it ends.
    agent.stop().exits(0);
    let after = posture(1);
    assert_eq!((&before["id"], &before["last_seen"]), (&after["id"], &after["last_seen"]));
}

#[test]
fn gomon_incidents_asks_the_agent_and_shows_one() {
    let container = broken("asked");
    let agent = Agent::start();
    container.run();
    let socket = agent.socket();
    let socket = socket.to_str().unwrap();
    let ask = |args: &[&str]| {
        let mut line = vec!["incidents"];
        line.extend(args);
        line.extend(["--socket", socket]);
        run(gomon(&line))
    };
    let one = wait_for("the incident", || {
        let listed = ask(&["list", "-c", &container.name, "--pattern", "missing-interpreter", "-o", "json"])
            .exits(0)
            .json();
        listed["incidents"].as_array().unwrap().first().cloned()
    });
    let id = one["id"].as_str().unwrap();
    let table = ask(&["--since", "1h"]).exits(0).stdout;
    assert!(table.lines().any(|line| line.starts_with(id) && line.contains(&container.name)), "{table}");
    ask(&["-c", &container.name, "--fail-on", "error"]).exits(1);
    let shown = ask(&["show", id]).exits(0).stdout;
    assert!(shown.contains("ERROR missing-interpreter") && shown.contains("Timeline:"), "{shown}");
    let page = ask(&["show", id, "-o", "markdown"]).exits(0).stdout;
    assert!(page.contains("## Timeline"), "{page}");
    ask(&["show", "ffffffffff"]).exits(4);
    // The same as a postmortem, from the command and from the agent.
    let report = |args: &[&str]| {
        let line: Vec<&str> =
            ["report", "--socket", socket].into_iter().chain(args.iter().copied()).collect();
        run(gomon(&line))
    };
    let told =
        report(&["-c", &container.name, "--pattern", "missing-interpreter", "-o", "json"]).exits(0).json();
    assert_eq!(told["causes"][0]["incidents"][0], one["id"], "{told}");
    assert_eq!(told["timeline"]["entries"][0]["source"], "kernel", "{told}");
    let page = report(&[id, "-o", "html"]).exits(0).stdout;
    assert!(page.contains(&format!("<h1>missing-interpreter in {}</h1>", container.name)), "{page}");
    report(&["ffffffffff"]).exits(4);
    let served = agent.get(&format!("/incidents/{id}"));
    assert!(served.contains("F1 missing-interpreter") && served.contains("<svg"), "{served}");
    let first = agent.get("/?min_severity=error");
    assert!(first.contains(&format!("/incidents/{id}")) && first.contains("ready</span>"), "{first}");
}

/// A file system of its own in memory; gone when dropped.
struct Small {
    dir: TempDir,
}

impl Small {
    fn mount(options: &str) -> Self {
        let small = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(small.path("")).unwrap();
        // Of the user that an agent becomes.
        let options = format!("{options},mode=755,uid=65523,gid=65523");
        small.command("mount", &["-t", "tmpfs", "-o", &options, "gomon-test"]);
        small
    }

    fn remount(&self, options: &str) {
        self.command("mount", &["-o", &format!("remount,{options}")]);
    }

    fn command(&self, program: &str, args: &[&str]) {
        let status = Command::new(program).args(args).arg(self.path("")).status();
        assert!(
            status.as_ref().is_ok_and(std::process::ExitStatus::success),
            "{program} {args:?}: {status:?}"
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("gomon").join(name)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: an agent of a test that failed may still have files open.
        let _ = Command::new("umount").arg("--lazy").arg(self.path("")).status();
    }
}

fn is_up(agent: &Agent) -> bool {
    agent.metrics().sum("gomon_store_up", &[]) == Some(1.0)
}

#[test]
fn on_a_full_disk_the_agent_goes_on_says_so_and_recovers() {
    let small = Small::mount("size=2m");
    let store = small.path("gomon.db");
    let agent = Agent::start_on(&store);
    wait_for("the store", || is_up(&agent).then_some(()));
    let ballast = small.path("ballast");
    // As much as fits.
    let _ = fs::write(&ballast, vec![0; 4 << 20]);
    // Less than a page is left for the log; one that has begun may take in a little more.
    let containers: Vec<Container> = (0..20).map(|n| broken(&format!("full-{n}"))).collect();
    let mut seen = Vec::new();
    for container in &containers {
        container.run();
        wait_for("the diagnosis", || {
            agent
                .diagnoses(&container.id())
                .iter()
                .any(|one| one["pattern"] == "missing-interpreter")
                .then_some(())
        });
        seen.push(container);
        if agent.metrics().sum("gomon_store_writes_total", &[("result", "failed")]) > Some(0.0) {
            break;
        }
    }
    wait_for("the agent to say that it cannot write", || (!is_up(&agent)).then_some(()));
    wait_for("the agent's complaint", || agent.log().contains("incidents are not kept").then_some(()));
    assert_eq!(agent.get("/readyz"), "ready\n");
    fs::remove_file(&ballast).unwrap();
    wait_for("the agent to write again", || is_up(&agent).then_some(()));
    for container in seen {
        kept(&store, container, 1);
    }
    wait_for("the end of its complaint", || agent.log().contains("incidents are kept again").then_some(()));
}

#[test]
fn where_nothing_can_be_written_the_agent_watches_and_keeps_what_it_finds_for_later() {
    let small = Small::mount("size=8m,ro");
    let store = small.path("gomon.db");
    let container = broken("readonly");
    let agent = Agent::start_on(&store);
    container.run();
    wait_for("the diagnosis", || (!agent.diagnoses(&container.id()).is_empty()).then_some(()));
    wait_for("the metric", || (!is_up(&agent)).then_some(()));
    wait_for("the agent's complaint", || agent.log().contains("incidents are not kept").then_some(()));
    small.remount("rw");
    kept(&store, &container, 1);
    wait_for("the metric", || is_up(&agent).then_some(()));
}

#[test]
fn a_damaged_store_is_moved_aside_loudly_and_a_second_agent_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("gomon/gomon.db");
    fs::create_dir(store.parent().unwrap()).unwrap();
    fs::write(&store, [0; 8192]).unwrap();
    let agent = Agent::start_on(&store);
    assert!(agent.log().contains("was damaged"), "{}", agent.log());
    let aside =
        fs::read_dir(store.parent().unwrap()).unwrap().filter_map(Result::ok).map(|entry| entry.file_name());
    assert!(aside.into_iter().any(|name| name.to_string_lossy().starts_with("gomon.db.damaged-")));
    let socket = dir.path().join("second.sock");
    let mut second = gomon(&["agent", "--listen", "127.0.0.1:0"]);
    second.arg("--socket").arg(&socket).arg("--store").arg(&store);
    let refused = run(second).exits(2);
    assert!(refused.stderr.contains("another gomon agent (pid"), "{refused:#?}");
    wait_for("the store", || is_up(&agent).then_some(()));
}
