//! What a container's configuration is worth a remark for, and which configurations are not.

use serde_json::Value;

use crate::support::{Agent, Container, play, scene, wait_for};

const STATIC: &str = "/app/probe.static";

/// What the agent remarks by this pattern on a container that has ended.
fn remark(agent: &Agent, container: &Container, pattern: &str) -> Option<Value> {
    container.run();
    let id = container.id();
    let labels = [("container_id", id.as_str())];
    wait_for("the container to be known", || agent.metrics().sum("gomon_container_info", &labels));
    agent.remarks_and_diagnoses(&id).into_iter().find(|one| one["pattern"] == pattern)
}

fn ok(what: &str, image: &'static str, options: &[&str]) -> Container {
    Container::new(what, image, &[STATIC, "ok"]).with(options)
}

#[test]
fn secrets_are_told_by_their_names_and_never_by_their_values() {
    const ID: &str = "secrets-in-environment";
    let agent = Agent::start();
    let secret = ok("secret", "scratch", &["--env", "API_KEY=hunter2", "--env", "DB_PASSWORD=hunter2"]);
    let found = remark(&agent, &secret, ID).expect("a remark");
    assert_eq!((found["severity"].as_str(), found["confidence"].as_str()), (Some("info"), Some("high")));
    let text = found.to_string();
    assert!(text.contains("API_KEY, DB_PASSWORD") && !text.contains("hunter2"), "{found:#}");
    let open = ok("open", "scratch", &["--env", "DB_PASSWORD_FILE=/run/secrets/db", "--env", "DB_PASSWORD="]);
    assert_eq!(remark(&agent, &open, ID), None);
}

#[test]
fn only_privileges_beyond_the_ordinary_are_remarked_on() {
    const ID: &str = "privilege-posture";
    let agent = Agent::start();
    let summary = |container: &Container| {
        let found = remark(&agent, container, ID);
        found.map(|one| one["summary"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert!(summary(&ok("root", "scratch", &[])).contains("starts as root"));
    let user = ["--user", "nobody"];
    assert_eq!(summary(&ok("user", "bookworm", &user)), "");
    let more = ["--user", "nobody", "--cap-add", "NET_ADMIN"];
    assert!(summary(&ok("capable", "bookworm", &more)).contains("CAP_NET_ADMIN"));
    let unconfined = ["--user", "nobody", "--security-opt", "seccomp=unconfined"];
    assert!(summary(&ok("unconfined", "bookworm", &unconfined)).contains("no seccomp profile"));
}

#[test]
fn a_user_without_a_name_matters_to_who_asks_for_it() {
    const ID: &str = "uid-without-passwd";
    let agent = Agent::start();
    let nameless = &["--user", "1001"];
    let asks = |what, image, command| {
        scene(what, image, command, &[1])
            .with(nameless)
            .fails(ID, &["UID 1001"])
            .severity("warning")
            .confidence("medium")
    };
    play(
        &agent,
        vec![
            asks("pure-go", "scratch", &[STATIC, "user"]),
            asks("glibc", "bookworm", &["/app/probe.glibc", "user"]),
            asks("musl", "musl", &["/app/probe.musl", "user"]),
            scene("variables", "scratch", &[STATIC, "user"], &[0])
                .with(&["--user", "1001", "--env", "USER=app"]),
            scene("named", "bookworm", &[STATIC, "user"], &[0]).with(&["--user", "nobody"]),
            scene("root", "bookworm", &[STATIC, "user"], &[0]),
            scene("never-asks", "scratch", &[STATIC, "ok"], &[0]).with(nameless),
        ],
    );
}
