//! SIGHUP: the configuration is read anew, at any moment, and a wrong one changes nothing.

use std::fs;

use rustix::process::Signal;

use super::agent_line;
use crate::support::{Agent, free_address, gomon, wait_for};

/// The value of a metric without labels.
fn metric(agent: &Agent, name: &str) -> Option<f64> {
    agent.metrics().sum(name, &[])
}

/// Writes the configuration and says so to the agent; waits until its log has these words.
fn reload(agent: &Agent, text: &str, words: &str) {
    fs::write(agent.config(), text).unwrap();
    agent.signal(Signal::HUP);
    wait_for(&format!("the log to say {words:?}"), || agent.log().contains(words).then_some(()));
}

#[test]
fn a_reload_takes_over_what_can_change_and_names_what_needs_a_restart() {
    let (address, dir) = (free_address(), tempfile::tempdir().unwrap());
    let socket = dir.path().join("gomon.sock");
    let config = |rest: &str| format!("listen: {address}\nsocket: {}\n{rest}", socket.display());
    let file = dir.path().join("gomon.yaml");
    fs::write(&file, config("")).unwrap();
    let mut command = gomon(&["agent", "--config"]);
    command.arg(&file);
    let agent = Agent::launch(command, address, dir).ready();
    let began = metric(&agent, "gomon_config_last_reload_success_timestamp_seconds").unwrap();
    assert_eq!(metric(&agent, "gomon_config_reload_success"), Some(1.0));
    assert!(began > 1e9, "{began}");

    reload(&agent, &config("max_series: 7\nlog_format: json\n"), "changed: max_series, log_format");
    assert!(agent.log().contains("\"message\":\"configuration reloaded"), "{}", agent.log());
    let elsewhere = format!("listen: 127.0.0.1:1\nsocket: {}\nlog_level: debug\n", socket.display());
    reload(&agent, &elsewhere, "listen has changed in the configuration: it needs a restart");
    assert_eq!(agent.get("/readyz"), "ready\n");

    reload(&agent, &config("lisen: 127.0.0.1:1\n"), "the configuration cannot be reloaded");
    let said = agent.log();
    assert!(said.contains("gomon.yaml:3: unknown key \"lisen\""), "{said}");
    wait_for("the failure to be counted", || {
        (metric(&agent, "gomon_config_reload_success") == Some(0.0)).then_some(())
    });
    assert_eq!(agent.get("/readyz"), "ready\n");
    assert!(metric(&agent, "gomon_config_last_reload_success_timestamp_seconds").unwrap() >= began);

    reload(&agent, &config("log_format: text\n"), "changed: max_series, log_format, log_level");
    wait_for("the success to be counted", || {
        (metric(&agent, "gomon_config_reload_success") == Some(1.0)).then_some(())
    });
    agent.stop().exits(0);
}

#[test]
fn an_agent_that_is_told_to_reload_while_it_starts_lives_on() {
    let (command, address, dir) = agent_line();
    let socket = dir.path().join("gomon.sock");
    let agent = Agent::launch(command, address, dir);
    wait_for("its socket, which comes before its probes", || socket.exists().then_some(()));
    agent.signal(Signal::HUP);
    let agent = agent.ready();
    wait_for("the reload", || agent.log().contains("configuration reloaded").then_some(()));
    agent.stop().exits(0);
}
