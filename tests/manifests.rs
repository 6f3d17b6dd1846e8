//! The manifests for Kubernetes: they render, the chart gives what the kustomization gives, and every privilege has its
//! reason beside it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first surprise")]

#[path = "live/support/tools.rs"]
mod tools;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

/// Two profiles, and both with Kubernetes Events.
const PROFILES: [&str; 4] = ["restricted", "full", "restricted-events", "full-events"];
/// The user and group that the agent becomes.
const USER: u32 = 65_523;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// The documents that a tool renders.
fn rendered(tool: &str, args: &[&str]) -> Option<Vec<Value>> {
    let Some(program) = tools::tool("kubernetes", tool) else {
        tools::skip(tool, "it is not installed; `cargo xtask setup` fetches it where there is npm");
        return None;
    };
    let output = Command::new(program).args(args).current_dir(deploy("")).output().unwrap();
    assert!(output.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text.split("\n---\n").filter(|part| part.lines().any(|line| line.starts_with("kind:")));
    Some(documents.map(|part| serde_saphyr::from_str(part).unwrap()).collect())
}

fn kustomized(profile: &str) -> Option<Vec<Value>> {
    rendered("kubectl", &["kustomize", &format!("kubernetes/{profile}")])
}

fn charted(profile: &str) -> Option<Vec<Value>> {
    let (profile, events) =
        profile.strip_suffix("-events").map_or((profile, false), |profile| (profile, true));
    let values = format!("profile={profile},kubernetesEvents.enabled={events}");
    rendered("helm", &["template", "gomon", "helm/gomon", "-n", "gomon", "--set", &values])
}

fn pod(documents: &[Value]) -> Value {
    let daemon_set = documents.iter().find(|document| document["kind"] == "DaemonSet").unwrap();
    daemon_set["spec"]["template"]["spec"].clone()
}

/// What the chart alone sets, and does not matter to what the agent may.
fn without_image(mut pod: Value) -> Value {
    let container = pod["containers"][0].as_object_mut().unwrap();
    container.remove("image");
    container.remove("imagePullPolicy");
    pod
}

#[test]
fn the_chart_gives_the_same_pod_as_the_kustomization() {
    for profile in PROFILES {
        let (Some(kustomized), Some(charted)) = (kustomized(profile), charted(profile)) else { continue };
        let [charts, other] = [&charted, &kustomized].map(|one| by_name(without_image(pod(one))));
        assert_eq!(charts, other, "{profile}");
        let config = |documents: &[Value]| {
            let map = documents.iter().find(|document| document["kind"] == "ConfigMap").unwrap();
            serde_saphyr::from_str::<Value>(map["data"]["gomon.yaml"].as_str().unwrap()).unwrap()
        };
        assert_eq!(config(&charted), config(&kustomized), "{profile}");
    }
}

/// A kustomization of somebody's own: a profile, and what sends diagnoses to a receiver.
fn with_receiver(profile: &str) -> Option<Vec<Value>> {
    let own = tempfile::tempdir().unwrap();
    // Paths of kustomizations are relative.
    let up = "../".repeat(own.path().canonicalize().unwrap().components().count() - 1);
    let place = deploy("kubernetes").canonicalize().unwrap().display().to_string();
    let place = format!("{up}{}", place.trim_start_matches('/'));
    let text = format!("resources: [{place}/{profile}]\ncomponents: [{place}/otlp]\n");
    fs::write(own.path().join("kustomization.yaml"), text).unwrap();
    rendered("kubectl", &["kustomize", &own.path().display().to_string()])
}

/// In any order: lists that are merged by name come in that of the tool.
fn by_name(mut pod: Value) -> Value {
    let container = &mut pod["containers"][0];
    for name in ["env", "volumeMounts"] {
        container[name].as_array_mut().unwrap().sort_by_key(|one| one["name"].to_string());
    }
    pod["volumes"].as_array_mut().unwrap().sort_by_key(|one| one["name"].to_string());
    pod
}

#[test]
fn the_chart_and_the_kustomization_name_the_same_receiver_and_secret() {
    let values = ["otlp.endpoint=http://otel-collector.observability:4317", "otlp.headersSecret=gomon-otlp"];
    for profile in ["restricted", "full"] {
        let mut line = vec!["template", "gomon", "helm/gomon", "-n", "gomon"];
        let profiled = format!("profile={profile}");
        for value in values.into_iter().chain([profiled.as_str()]) {
            line.extend(["--set", value]);
        }
        let (Some(charted), Some(kustomized)) = (rendered("helm", &line), with_receiver(profile)) else {
            continue;
        };
        let [charted, kustomized] =
            [charted, kustomized].map(|documents| by_name(without_image(pod(&documents))));
        assert_eq!(charted, kustomized, "{profile}");
        let secret = charted["volumes"].as_array().unwrap().iter().find(|one| one["name"] == "otlp");
        assert_eq!(secret.unwrap()["secret"]["secretName"], "gomon-otlp");
    }
}

/// The oldest Kubernetes with all that the manifests use, and the newest that the checker knows.
const KUBERNETES: [&str; 2] = ["1.30", "1.37"];

#[test]
fn what_is_rendered_fits_the_schemas_of_kubernetes() {
    let Some(checker) = tools::tool("checkers/bin", "kubernetes-validate") else {
        let remedy = "it is not installed; `cargo xtask setup` fetches it where there is python3 with venv";
        return tools::skip("kubernetes-validate", remedy);
    };
    let dir = tempfile::tempdir().unwrap();
    for profile in PROFILES {
        for (of, documents) in [("kustomization", kustomized(profile)), ("chart", charted(profile))] {
            for (number, document) in documents.unwrap_or_default().iter().enumerate() {
                let file = dir.path().join(format!("{profile}-{of}-{number}.json"));
                fs::write(&file, document.to_string()).unwrap();
            }
        }
    }
    let files: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    for version in KUBERNETES {
        let mut command = Command::new(&checker);
        let output =
            command.args(["--strict", "--kubernetes-version", version]).args(&files).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "Kubernetes {version}: {said}");
    }
}

#[test]
fn the_chart_refuses_a_profile_that_does_not_exist() {
    let Some(helm) = tools::tool("kubernetes", "helm") else {
        return tools::skip("helm", "it is not installed; `cargo xtask setup` fetches it where there is npm");
    };
    let mut command = Command::new(helm);
    command.args(["template", "gomon", "helm/gomon", "--set", "profile=ful"]).current_dir(deploy(""));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("'restricted', 'full'"), "{said}");
}

#[test]
fn only_the_full_profile_may_all_but_rule_the_node() {
    for profile in PROFILES {
        let Some(documents) = kustomized(profile) else { continue };
        let pod = pod(&documents);
        let security = &pod["containers"][0]["securityContext"];
        assert_eq!(security["privileged"], false);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
        let may = security["capabilities"]["add"].as_array().unwrap();
        assert_eq!(may.contains(&"SYS_ADMIN".into()), profile.starts_with("full"), "{profile}");
        assert_eq!(pod["automountServiceAccountToken"], false);
        let written: Vec<&Value> = pod["containers"][0]["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|mount| mount["readOnly"] != true)
            .map(|mount| &mount["mountPath"])
            .collect();
        assert_eq!(written, WRITTEN, "{profile}: of the node's files the agent writes nothing else");
    }
}

/// The documents of a kind.
fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

#[test]
fn only_with_kubernetes_events_is_there_a_token_and_a_role() {
    for profile in PROFILES {
        let (Some(kustomized), Some(charted)) = (kustomized(profile), charted(profile)) else { continue };
        for documents in [&kustomized, &charted] {
            let pod = pod(documents);
            let kinds: Vec<&str> =
                documents.iter().filter_map(|document| document["kind"].as_str()).collect();
            let roles = kinds.iter().filter(|kind| kind.contains("Role")).count();
            let tokens = pod["volumes"].as_array().unwrap().iter();
            let tokens: Vec<&Value> = tokens.filter(|volume| volume.get("projected").is_some()).collect();
            let env = pod["containers"][0]["env"].as_array().unwrap();
            let is_on = env.iter().any(|one| one["name"] == "GOMON_KUBERNETES_EVENTS");
            assert_eq!(pod["automountServiceAccountToken"], false, "{profile}");
            assert_eq!(of_kind(documents, "ServiceAccount")[0]["automountServiceAccountToken"], false);
            if profile.ends_with("-events") {
                assert_eq!((roles, tokens.len(), is_on), (2, 1, true), "{profile}");
            } else {
                assert_eq!((roles, tokens.len(), is_on), (0, 0, false), "{profile}");
                assert_eq!(pod.get("securityContext"), None, "{profile}");
            }
        }
    }
}

#[test]
fn events_may_be_created_and_patched_and_nothing_else_may_be_done() {
    for documents in [kustomized("restricted-events"), charted("restricted-events")].into_iter().flatten() {
        let [role] = of_kind(&documents, "ClusterRole").try_into().unwrap();
        let allowed =
            json!({ "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] });
        assert_eq!(role["rules"], json!([allowed]));
        let [binding] = of_kind(&documents, "ClusterRoleBinding").try_into().unwrap();
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        let account = json!({ "kind": "ServiceAccount", "name": "gomon", "namespace": "gomon" });
        assert_eq!(binding["subjects"], json!([account]));
    }
}

#[test]
fn the_token_is_where_the_agent_looks_and_for_the_group_that_it_becomes() {
    let Some(documents) = kustomized("full-events") else { return };
    let pod = pod(&documents);
    assert_eq!(pod["securityContext"], json!({ "fsGroup": USER }));
    let named = |list: &Value, name: &str| {
        list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    let container = &pod["containers"][0];
    let place = json!({
        "name": "api", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true,
    });
    assert_eq!(named(&container["volumeMounts"], "api"), place);
    let files = &named(&pod["volumes"], "api")["projected"];
    assert_eq!(files["defaultMode"], 0o440);
    assert_eq!(files["sources"][0]["serviceAccountToken"]["path"], "token");
    assert_eq!(files["sources"][1]["configMap"]["items"][0]["path"], "ca.crt");
    assert_eq!(named(&container["env"], "GOMON_KUBERNETES_EVENTS")["value"], "true");
    let node = &named(&container["env"], "NODE_NAME")["valueFrom"]["fieldRef"]["fieldPath"];
    assert_eq!(node, "spec.nodeName");
}

/// Where the agent may write.
const WRITTEN: [&str; 2] = ["/run/gomon", "/var/lib/gomon"];

#[test]
fn every_capability_and_every_mount_has_its_reason_beside_it() {
    for file in [
        "kubernetes/base/daemonset.yaml",
        "kubernetes/full/daemonset.yaml",
        "kubernetes/events/daemonset.yaml",
    ] {
        let text = fs::read_to_string(deploy(file)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let base = fs::read_to_string(deploy("kubernetes/base/daemonset.yaml")).unwrap();
        for (at, line) in lines.iter().enumerate() {
            let is_capability = line
                .strip_prefix("- ")
                .is_some_and(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            let is_mount =
                line.starts_with("- name:") && lines.get(at + 1).is_some_and(|l| l.starts_with("mountPath"));
            let is_explained = at > 0 && lines[at - 1].starts_with('#');
            // The list replaces that of the base: what stands there is explained there.
            let is_known = file.contains("full") && base.contains(&format!("{line}\n"));
            // The configuration explains itself.
            let is_plain = *line == "- name: config";
            assert!(
                !(is_capability || is_mount) || is_explained || is_known || is_plain,
                "{file}:{}: {line}",
                at + 1
            );
        }
    }
}
