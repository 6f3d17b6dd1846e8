//! Broken hosts: what gomon needs is missing, goes away or is refused. It says so, and is never wrong because of it.

mod daemons;
mod host;
mod probes;
mod reload;
mod sight;
mod signals;
mod storm;

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Agent, Container, free_address, gomon, wait_for};

const GLIBC: &str = "/app/probe.glibc";
const STATIC: &str = "/app/probe.static";

/// A container whose program has no loader.
fn broken(what: &str) -> Container {
    Container::new(what, "scratch", &[GLIBC])
}

/// The agent names what is wrong with it, once, and nothing else.
fn is_named(agent: &Agent, container: &Container) {
    let id = container.id();
    wait_for(&format!("the diagnosis of {}", container.name), || agent.diagnoses(&id).pop());
    let found = agent.diagnoses(&id);
    let patterns: Vec<&Value> = found.iter().map(|one| &one["pattern"]).collect();
    assert_eq!(patterns, ["missing-interpreter"], "{found:#?}");
    assert_eq!(found[0]["target"]["name"], container.name.as_str());
}

/// The command line of an agent of this test alone, what it listens on, and the place of its files.
fn agent_line() -> (Command, std::net::SocketAddr, tempfile::TempDir) {
    let (address, dir) = (free_address(), tempfile::tempdir().expect("a directory for the agent"));
    let config = dir.path().join("gomon.yaml");
    std::fs::write(&config, "").expect("an empty configuration");
    let mut command = gomon(&["agent", "--listen", &address.to_string()]);
    command.arg("--config").arg(config).arg("--socket").arg(dir.path().join("gomon.sock"));
    (command, address, dir)
}

/// The same command with a table of mounts of its own, which `script` has changed before.
fn in_own_mounts(command: &Command, script: &str) -> Command {
    let mut unshared = Command::new("unshare");
    unshared.args(["--mount", "--propagation", "private", "sh", "-c"]);
    unshared.arg(format!("set -e; {script}; exec \"$@\"")).arg("sh");
    unshared.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => unshared.env(name, value),
            None => unshared.env_remove(name),
        };
    }
    unshared
}
