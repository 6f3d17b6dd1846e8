//! A real Prometheus scrapes the agent while containers fail; its rules fire, and a real Alertmanager hears of it.

#[path = "../deploy/dashboards.rs"]
mod dashboards;

use crate::support::{Agent, Container, Monitoring, await_in, docker, docker_ok, skip};

const STATIC: &str = "/app/probe.static";
const GLIBC: &str = "/app/probe.glibc";

/// The names that dockershim's labels give a container.
const NAMESPACE: &str = "shop";

/// A container of a pod, as dockershim labels it, whose program has no loader.
fn of_pod() -> (Container, String) {
    let container = Container::new("pod", "scratch", &[GLIBC]);
    let pod = format!("{}-7d9f", container.name);
    let labels = [
        format!("io.kubernetes.pod.namespace={NAMESPACE}"),
        format!("io.kubernetes.pod.name={pod}"),
        format!("io.kubernetes.container.name={}", container.name),
    ];
    let options: Vec<&str> = labels.iter().flat_map(|label| ["--label", label.as_str()]).collect();
    let container = container.with(&options);
    (container, pod)
}

#[test]
fn a_failing_container_is_in_prometheus_its_alert_fires_and_alertmanager_mutes_the_symptom() {
    let agent = Agent::start();
    let Some(monitoring) = Monitoring::start(agent.address) else {
        return skip("Prometheus and Alertmanager", "not installed; `cargo xtask setup` fetches them");
    };
    let [healthy, visited, killed] =
        ["healthy", "visited", "killed"].map(|what| Container::new(what, "scratch", &[STATIC, "serve"]));
    for container in [&healthy, &visited, &killed] {
        container.serve();
    }
    let (failing, pod) = of_pod();
    failing.run();
    // Signals are on the dashboard of a container.
    docker_ok(&["kill", &killed.name]);
    counts_begin_at_zero_and_a_first_failure_is_an_increase(&monitoring, &visited);
    the_failure_is_counted_under_its_own_names(&monitoring, &failing, &pod);
    the_alert_fires_and_mutes_the_symptom(&monitoring, &failing, &pod);
    let alerts = format!("ALERTS{{container=\"{}\"}}", healthy.name);
    let raised = await_in(
        "an answer about a healthy container",
        || monitoring.log(),
        || monitoring.query(&alerts).ok(),
    );
    assert!(raised.is_empty(), "a healthy container raises nothing: {raised:?}");
    every_rule_is_evaluated_and_every_query_of_a_dashboard_has_an_answer(&monitoring);
}

/// The counter of a running container is scraped at zero before something fails in it.
fn counts_begin_at_zero_and_a_first_failure_is_an_increase(monitoring: &Monitoring, visited: &Container) {
    let failures =
        format!("gomon_container_exec_failures_total{{container=\"{}\",errno=\"ENOENT\"}}", visited.name);
    let log = || monitoring.log();
    await_in("the counter of a container that is well at zero", log, || {
        monitoring.value(&failures).filter(|count| count.abs() < 0.5)
    });
    let exec = docker(&["exec", &visited.name, GLIBC]);
    assert_ne!(exec.code, Some(0), "{exec:?}");
    let increase = format!("increase({failures}[5m])");
    await_in("the increase after its first failing exec", log, || {
        monitoring.value(&increase).filter(|by| *by > 0.0)
    });
}

fn the_failure_is_counted_under_its_own_names(monitoring: &Monitoring, failing: &Container, pod: &str) {
    let names = format!("namespace=\"{NAMESPACE}\",pod=\"{pod}\",container=\"{}\"", failing.name);
    let finding = format!("{names},pattern=\"missing-interpreter\",severity=\"error\"");
    for query in [
        format!("gomon_diagnoses_total{{{finding}}}"),
        format!("gomon_diagnosis_active{{{finding}}}"),
        format!("gomon_container_exec_failures_total{{{names},errno=\"ENOENT\"}}"),
        format!("gomon_container_info{{{names},runtime=\"docker\"}}"),
        format!("sum(gomon_diagnoses_total{{{names},severity=~\"error|warning\"}})"),
    ] {
        let log = || format!("{:?}\n{}", monitoring.query(&query), monitoring.log());
        await_in(&query, log, || monitoring.value(&query).filter(|value| (value - 1.0).abs() < 0.5));
    }
}

fn the_alert_fires_and_mutes_the_symptom(monitoring: &Monitoring, failing: &Container, pod: &str) {
    let names = [("namespace", NAMESPACE), ("pod", pod), ("container", failing.name.as_str())];
    let selector: Vec<String> = names.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let firing = format!(
        "ALERTS{{alertname=\"GomonMissingInterpreter\",alertstate=\"firing\",severity=\"critical\",{}}}",
        selector.join(",")
    );
    let log = || monitoring.log();
    await_in("the alert to fire", log, || monitoring.value(&firing));
    let cause = [&[("alertname", "GomonMissingInterpreter"), ("severity", "critical")], &names[..]].concat();
    let received = await_in("Alertmanager to hear of it", log, || monitoring.received(&cause));
    let annotation = |name: &str| received["annotations"][name].as_str().unwrap_or_default().to_owned();
    assert!(annotation("runbook_url").ends_with("/docs/patterns/missing-interpreter.md"), "{received:#}");
    let who = format!("Container {} of pod {NAMESPACE}/{pod} on ", failing.name);
    assert!(annotation("description").starts_with(&who), "{received:#}");
    let symptom =
        |pod| [("alertname", "KubePodCrashLooping"), ("namespace", NAMESPACE), ("pod", pod), names[2]];
    let (same, other) = (symptom(pod), symptom("another-pod"));
    monitoring.post(&same);
    monitoring.post(&other);
    let muted = await_in("the symptom to be muted by its cause", log, || {
        monitoring.received(&same).filter(|alert| alert["status"]["state"] == "suppressed")
    });
    assert_eq!(muted["status"]["inhibitedBy"][0], received["fingerprint"], "{muted:#}");
    let told = await_in("the same symptom of another pod", log, || {
        monitoring.received(&other).filter(|alert| alert["status"]["state"] == "active")
    });
    assert_eq!(told["status"]["inhibitedBy"].as_array().map(Vec::len), Some(0), "{told:#}");
}

fn every_rule_is_evaluated_and_every_query_of_a_dashboard_has_an_answer(monitoring: &Monitoring) {
    let rules = await_in(
        "every rule to be evaluated",
        || format!("{:#?}", monitoring.rules()),
        || {
            let rules = monitoring.rules();
            let are_done = !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok");
            are_done.then_some(rules)
        },
    );
    let written = gomon::sink::metrics::alerts::of_findings().len()
        + gomon::sink::metrics::alerts::of_gomon().len()
        + gomon::sink::metrics::alerts::RECORDINGS.len();
    assert_eq!(rules.len(), written);
    for query in dashboards::NAMES.iter().flat_map(|name| dashboards::queries(name)) {
        let filled = dashboards::filled(&query.expr);
        let told = || format!("{:?}", monitoring.query(&filled));
        await_in(&format!("an answer to {}: {filled}", query.place), told, || {
            monitoring.query(&filled).ok().filter(|answer| !answer.is_empty())
        });
    }
}
