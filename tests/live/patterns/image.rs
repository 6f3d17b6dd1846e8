//! What the image and its configuration got wrong beside the program: health checks, labels, GODEBUG, terminals, shells.

use serde_json::Value;

use crate::support::{Agent, Container, docker, fence, wait_for};

const STATIC: &str = "/app/probe.static";
/// What `docker exec` says of a command that is not there.
const NOT_FOUND: [i32; 2] = [126, 127];

/// What the agent says of a container under this pattern.
fn said(agent: &Agent, container: &Container, pattern: &str) -> Vec<Value> {
    let all = agent.remarks_and_diagnoses(&container.id());
    all.into_iter().filter(|one| one["pattern"] == pattern).collect()
}

/// The one diagnosis under this pattern, once it has this confidence.
fn the(agent: &Agent, container: &Container, pattern: &str, confidence: &str) -> Value {
    wait_for(&format!("{pattern} of {}, {confidence}", container.name), || {
        let found = said(agent, container, pattern);
        assert!(found.len() < 2, "{found:#?}");
        found.into_iter().find(|one| one["confidence"] == confidence)
    })
}

fn summary(one: &Value) -> &str {
    one["summary"].as_str().unwrap_or_default()
}

#[test]
fn a_health_check_without_its_tool_is_told_from_one_that_fails_or_passes() {
    const ID: &str = "healthcheck-tool-missing";
    let agent = Agent::start();
    let checked = |what: &str, image: &str, check: &str| {
        let container = Container::new(what, image, &[STATIC, "serve"]);
        let container =
            container.with(&["--health-cmd", check, "--health-interval", "1s", "--health-retries", "1"]);
        container.serve();
        container
    };
    let get = "http://127.0.0.1:8080/";
    let no_tool = checked("no-tool", "musl", &format!("curl -f {get} || exit 1"));
    let no_shell = checked("no-shell", "scratch", &format!("curl -f {get}"));
    let passes = checked("passes", "musl", &format!("wget -q -O- {get}"));
    let fails = checked("fails", "musl", "false");
    let found = the(&agent, &no_tool, ID, "certain");
    assert_eq!((found["severity"].as_str(), found["subject"].as_str()), (Some("warning"), Some("curl")));
    assert!(summary(&found).contains("curl"), "{found:#}");
    let found = the(&agent, &no_shell, ID, "certain");
    assert_eq!(found["subject"], "/bin/sh");
    assert!(said(&agent, &no_shell, "no-shell-for-exec").is_empty(), "it was the health check");
    let health = |container: &Container| container.inspect("{{.State.Health.Status}}");
    wait_for("a passing check", || (health(&passes) == "healthy").then_some(()));
    wait_for("a failing check", || (health(&fails) == "unhealthy").then_some(()));
    fence(&agent);
    for healthy in [&passes, &fails] {
        assert!(agent.diagnoses(&healthy.id()).is_empty(), "{:#?}", agent.diagnoses(&healthy.id()));
    }
}

#[test]
fn a_command_from_outside_that_finds_no_shell_is_a_remark() {
    const ID: &str = "no-shell-for-exec";
    let agent = Agent::start();
    let (bare, with_shell) =
        ["scratch", "musl"].map(|image| Container::new("visited", image, &[STATIC, "serve"])).into();
    for container in [&bare, &with_shell] {
        container.serve();
    }
    let visit = |container: &Container, command: &str| docker(&["exec", &container.name, command]).code;
    assert!(visit(&bare, "sh").is_some_and(|code| NOT_FOUND.contains(&code)));
    assert!(visit(&with_shell, "nosuch").is_some_and(|code| NOT_FOUND.contains(&code)));
    let found = the(&agent, &bare, ID, "high");
    assert_eq!((found["severity"].as_str(), found["subject"].as_str()), (Some("info"), Some("/bin/sh")));
    assert_eq!(visit(&with_shell, "true"), Some(0));
    fence(&agent);
    assert!(said(&agent, &with_shell, ID).is_empty());
    assert!(agent.diagnoses(&bare.id()).is_empty(), "the application is not affected");
}

#[test]
fn a_label_that_contradicts_the_program_or_was_not_expanded_is_a_remark() {
    const ID: &str = "label-mismatch";
    let agent = Agent::start();
    let labelled = |what: &str, labels: &[&str]| {
        let options: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
        let container = Container::new(what, "scratch", &[STATIC, "ok"]).with(&options);
        container.run();
        container
    };
    let wrong = labelled("wrong", &["go.version=1.4.2", "maintainer=somebody"]);
    let literal = labelled("literal", &["build=$(go env GOVERSION)"]);
    let right = labelled("right", &["go.version=1", "org.opencontainers.image.version=1.4.2"]);
    let found = the(&agent, &wrong, ID, "certain");
    assert!(summary(&found).contains("says 1.4.2, the program was built with go1."), "{found:#}");
    let found = the(&agent, &literal, ID, "certain");
    assert_eq!(found["subject"], "build");
    fence(&agent);
    assert!(said(&agent, &right, ID).is_empty());
}

#[test]
fn a_setting_that_go_does_not_know_is_a_remark() {
    const ID: &str = "godebug-unknown";
    let agent = Agent::start();
    let set = |what: &str, image: &str, command: &[&str], value: &str| {
        let container = Container::new(what, image, command).with(&["--env", &format!("GODEBUG={value}")]);
        container.run();
        container
    };
    let mistyped = set("mistyped", "scratch", &[STATIC, "ok"], "gctrce=1,inittrace=1");
    let known = set("known", "scratch", &[STATIC, "ok"], "netdns=go,madvdontneed=1");
    let not_go = set("not-go", "musl", &["true"], "gctrce=1");
    let found = the(&agent, &mistyped, ID, "high");
    assert_eq!(found["subject"], "gctrce");
    assert!(found["remedy"].as_str().unwrap_or_default().contains("gctrace"), "{found:#}");
    fence(&agent);
    for healthy in [&known, &not_go] {
        assert!(said(&agent, healthy, ID).is_empty());
    }
}

#[test]
fn verbose_tests_on_a_terminal_are_a_remark() {
    const ID: &str = "tty-carriage-returns";
    const TESTS: &[&str] = &["/app/probe.test", "-test.v"];
    let agent = Agent::start();
    let on_terminal = Container::new("terminal", "scratch", TESTS).with(&["--tty"]);
    let said_there = on_terminal.run();
    assert!(said_there.out.contains('\r'), "{said_there:?}");
    let without = Container::new("no-terminal", "scratch", TESTS);
    assert!(!without.run().out.contains('\r'));
    let other = Container::new("other", "scratch", &[STATIC, "ok"]).with(&["--tty"]);
    other.run();
    the(&agent, &on_terminal, ID, "certain");
    fence(&agent);
    for healthy in [&without, &other] {
        assert!(said(&agent, healthy, ID).is_empty());
    }
}
