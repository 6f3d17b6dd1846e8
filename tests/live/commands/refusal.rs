//! What gomon says where it cannot work, and where it can.

use crate::support::{Agent, Container, Running, gomon, gomon_as_nobody, run, wait_for};

#[test]
fn an_agent_whose_port_is_taken_says_so_and_does_not_observe() {
    let agent = Agent::start();
    let address = agent.address.to_string();
    let dir = tempfile::tempdir().unwrap();
    let mut second = gomon(&["agent", "--listen", &address]);
    second.arg("--socket").arg(dir.path().join("gomon.sock")).args(["--store", "none"]);
    let finished = run(second).exits(2);
    assert!(finished.stderr.contains(&address), "{finished:#?}");
    assert_eq!(agent.get("/readyz"), "ready\n");
}

#[test]
fn an_agent_ends_well_when_it_is_told_to_and_removes_its_socket() {
    let agent = Agent::start();
    let socket = agent.socket();
    assert!(socket.exists());
    let finished = agent.stop().exits(0);
    assert!(finished.stderr.contains("gomon stopped"), "{finished:#?}");
    assert!(!socket.exists());
}

#[test]
fn an_agent_that_is_told_to_stop_while_it_starts_ends_well_too() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/gomon.sock");
    let mut command = gomon(&["agent", "--listen", "127.0.0.1:0"]);
    command.arg("--socket").arg(&socket).args(["--store", "none"]);
    let starting = Running::start(command);
    wait_for("its socket, which comes before its probes", || socket.exists().then_some(()));
    starting.stop().exits(0);
    assert!(!socket.exists());
}

#[test]
fn doctor_finds_nothing_missing_here() {
    let finished = run(gomon(&["doctor"])).exits(0);
    assert!(finished.stdout.contains("gomon can observe here"), "{finished:#?}");
    let json = run(gomon(&["doctor", "-o", "json"])).exits(0).json();
    assert!(json.is_object(), "{json}");
}

#[test]
fn without_privileges_every_command_that_observes_names_the_way_out() {
    let container = Container::new("closed", "scratch", &["/app/probe.static", "serve"]);
    container.serve();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("gomon.sock");
    let socket = socket.to_str().unwrap();
    for line in [
        &["diagnose", &container.name][..],
        &["agent", "--listen", "127.0.0.1:0", "--socket", socket, "--store", "none"],
        &["events", "--timeout", "5s"],
        &["record", "-o", "/dev/null", "--timeout", "5s"],
        &["doctor"],
    ] {
        let finished = gomon_as_nobody(line).exits(3);
        let said = finished.stdout.clone() + &finished.stderr;
        assert!(said.contains("root") && said.contains("CAP_"), "{line:?}: {finished:#?}");
    }
}
