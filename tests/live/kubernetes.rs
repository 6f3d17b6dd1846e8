//! Kubernetes Events of a confined agent: about real containers that carry the names of a pod, to an API that checks them.

#[path = "../kubernetes/api.rs"]
mod api;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::Command,
};

use gomon::confine::UID;
use serde_json::{Value, json};

use crate::{
    runtimes::oci::{Bundle, Oci, random_id},
    support::{Agent, Container, docker, free_address, said, skip, tool, unique, wait_for},
};
use api::{Api, TOKEN};

const GLIBC: &str = "/app/probe.glibc";
const POD: &str = "api-7d9f8c6b5f-x2k4z";
const POD_UID: &str = "6f0d7c1e-1111-4222-8333-444455556666";

fn agent(api: &Api, url: &str) -> Agent {
    let credentials = api.credentials();
    // As the kubelet gives them out: to root and to the group of `fsGroup`.
    for (name, mode) in [(".", 0o750), ("token", 0o440), ("ca.crt", 0o440)] {
        let path = credentials.join(name);
        chown(&path, Some(0), Some(UID)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    // It needs no capability for them.
    let (user, token) = (UID.to_string(), credentials.join("token"));
    let mut cat = Command::new("setpriv");
    cat.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--inh-caps=-all", "cat"]).arg(token);
    assert_eq!(said(&mut cat).out, TOKEN);
    Agent::start_with(&[
        ("GOMON_KUBERNETES_EVENTS", "true"),
        ("GOMON_KUBERNETES_API", url),
        ("GOMON_KUBERNETES_CREDENTIALS", credentials.to_str().unwrap()),
        ("NODE_NAME", "node-1"),
    ])
}

/// A container as cri-dockerd labels it.
fn labelled(namespace: &str) -> Container {
    let labels = [
        format!("io.kubernetes.pod.namespace={namespace}"),
        format!("io.kubernetes.pod.name={POD}"),
        format!("io.kubernetes.pod.uid={POD_UID}"),
        "io.kubernetes.container.name=app".to_owned(),
    ];
    let options: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
    Container::new("event", "scratch", &[GLIBC]).with(&options)
}

/// The one event of a namespace, as soon as it is there.
fn event(api: &Api, namespace: &str) -> Value {
    wait_for("the event", || {
        let mut all = api.events();
        all.retain(|event| event["metadata"]["namespace"] == namespace);
        assert!(all.len() < 2, "{all:#?}");
        all.pop()
    })
}

/// Writes to the API about a namespace, as method and code.
fn writes(api: &Api, namespace: &str) -> Vec<(String, u16)> {
    let part = format!("/namespaces/{namespace}/");
    let of = api.asked().into_iter().filter(|asked| asked.path.contains(&part) && asked.method != "GET");
    of.map(|asked| (asked.method, asked.code)).collect()
}

#[test]
fn a_confined_agent_writes_an_event_about_a_failing_pod_and_kubectl_reads_it() {
    let (api, namespace) = (Api::start(), unique("shop"));
    // Busy at first.
    api.answers(429, Some("1"), "Too many requests, please try again later.\n");
    let confined = agent(&api, &api.url());
    let failing = labelled(&namespace);
    failing.run();
    let written = event(&api, &namespace);
    assert_eq!(
        written["regarding"],
        json!({
            "apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": POD, "uid": POD_UID,
            "fieldPath": "spec.containers{app}",
        })
    );
    assert_eq!(written["type"], "Warning");
    assert_eq!(written["reason"], "MissingInterpreter");
    assert_eq!(written["reportingInstance"], "node-1");
    let found = confined.diagnoses(&failing.id()).pop().unwrap();
    let note = written["note"].as_str().unwrap();
    assert!(note.starts_with(found["summary"].as_str().unwrap().trim_end_matches('.')), "{note}");
    assert_eq!(found["target"]["workload"]["name"], "api", "{found:#}");
    fits_the_published_schemas(&written);
    read_by_kubectl(&api, &namespace, &written);
    // A repeat is counted, and not written before its time.
    docker(&["start", &failing.name]);
    wait_for("the repeat", || (confined.diagnoses(&failing.id()).pop()?["count"] == 2).then_some(()));
    let metrics = wait_for("the count", || {
        let metrics = confined.metrics();
        let created = metrics.sum("gomon_kubernetes_events_total", &[("result", "created")]);
        (created >= Some(1.0)).then_some(metrics)
    });
    assert_eq!(metrics.sum("gomon_confined", &[]), Some(4.0));
    let finished = confined.stop().exits(0);
    assert!(finished.stderr.contains("no more Kubernetes Events are written"), "{finished:#?}");
    assert!(!finished.stderr.contains(TOKEN), "{finished:#?}");
    let posts: Vec<u16> = writes(&api, &namespace).into_iter().map(|(_, code)| code).collect();
    assert_eq!(posts.iter().filter(|code| **code < 300).count(), 1, "{posts:?}");
}

/// Those of the `OpenAPI` documents of two Kubernetes versions.
fn fits_the_published_schemas(event: &Value) {
    let Some(checker) = tool("checkers/bin", "kubernetes-validate") else {
        let remedy = "it is not installed; `cargo xtask setup` fetches it where there is python3 with venv";
        return skip("kubernetes-validate", remedy);
    };
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    fs::write(&file, event.to_string()).unwrap();
    for version in ["1.30", "1.37"] {
        let mut command = Command::new(&checker);
        command.args(["--strict", "--kubernetes-version", version]).arg(file.path());
        let said = said(&mut command);
        assert_eq!(said.code, Some(0), "Kubernetes {version}: {said:?}");
    }
}

fn read_by_kubectl(api: &Api, namespace: &str, written: &Value) {
    let Some(kubectl) = tool("kubernetes", "kubectl") else {
        return skip("kubectl", "it is not installed; `cargo xtask setup` fetches it where there is npm");
    };
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(kubectl);
    command.args(["--server", &api.url(), "--token", TOKEN, "--certificate-authority"]);
    command.arg(api.credentials().join("ca.crt")).env("KUBECONFIG", "/dev/null").env("HOME", home.path());
    command.args(["get", "events.events.k8s.io", "--namespace", namespace, "--output", "json"]);
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{said:?}");
    let list: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(&list["items"], &json!([written]));
}

#[test]
fn an_agent_that_comes_back_goes_on_with_the_event_of_a_pod_of_cri_o() {
    let Some(runc) = Oci::new("runc") else { return skip("CRI-O's layout", "runc is not installed") };
    let (api, namespace) = (Api::start(), unique("shop"));
    let fails = || {
        let id = random_id();
        let place = format!("/run/containers/storage/overlay-containers/{id}/userdata");
        let annotations = json!({
            "io.container.manager": "cri-o",
            "io.kubernetes.container.name": "app",
            "io.kubernetes.cri-o.ContainerType": "container",
            "io.kubernetes.pod.name": POD,
            "io.kubernetes.pod.namespace": namespace,
            "io.kubernetes.pod.uid": POD_UID,
        });
        let cgroup = format!("/kubepods/besteffort/pod{POD_UID}/crio-{id}");
        let bundle =
            Bundle::at(PathBuf::from(&place), &id, &[GLIBC]).annotations(annotations).cgroup(&cgroup);
        assert_ne!(runc.run(&bundle).code, Some(0));
        drop(bundle);
        let _ = fs::remove_dir(PathBuf::from(place).parent().unwrap());
    };
    // Each time another container of the same pod, as the kubelet restarts it.
    for (life, count) in [(1, Value::Null), (2, 2.into()), (3, Value::Null)] {
        let agent = agent(&api, &api.url());
        fails();
        wait_for("the event of this life", || {
            let written = event(&api, &namespace);
            (written["series"]["count"] == count).then_some(())
        });
        wait_for("what the agent counts", || {
            let total = agent.metrics().sum("gomon_kubernetes_events_waiting", &[]);
            (total == Some(0.0)).then_some(())
        });
        agent.stop().exits(0);
        if life == 2 {
            api.forget();
        }
    }
    let methods: Vec<(String, u16)> = writes(&api, &namespace);
    let expected = [("POST", 201), ("POST", 409), ("PATCH", 200), ("PATCH", 200), ("POST", 201)];
    assert_eq!(methods, expected.map(|(method, code)| (method.to_owned(), code)));
    // The first one asks how far the agent before had counted.
    let patches = api.asked().into_iter().filter(|asked| asked.method == "PATCH");
    let counts = patches.map(|asked| asked.body["series"]["count"].clone());
    assert_eq!(counts.collect::<Vec<_>>(), [Value::Null, 2.into()]);
}

#[test]
fn an_api_that_cannot_be_reached_holds_nothing_up_and_is_complained_of_once() {
    let (api, namespace) = (Api::start(), unique("shop"));
    let agent = agent(&api, &format!("https://{}", free_address()));
    let failing = labelled(&namespace);
    failing.run();
    wait_for("the diagnosis", || agent.diagnoses(&failing.id()).pop());
    let failed = [("result", "failed")];
    wait_for("a second try", || {
        (agent.metrics().sum("gomon_kubernetes_events_total", &failed) >= Some(2.0)).then_some(())
    });
    assert_eq!(agent.get("/readyz"), "ready\n");
    let finished = agent.stop().exits(0);
    let lines = finished.stderr.lines().filter(|line| line.contains("Kubernetes Event is not written"));
    assert_eq!(lines.count(), 1, "{finished:#?}");
    assert!(!finished.stderr.contains("kube_client"), "{finished:#?}");
    assert!(api.events().is_empty());
}
