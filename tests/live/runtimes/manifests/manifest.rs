//! What a profile of deploy/kubernetes asks for, in the words of an OCI configuration.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// Where the agent's container is in a `DaemonSet`.
const CONTAINER: &str = "/spec/template/spec/containers/0";

/// Numbers of include/uapi/linux/capability.h.
const CAPABILITIES: [(&str, u32); 9] = [
    ("CHOWN", 0),
    ("DAC_READ_SEARCH", 2),
    ("SETGID", 6),
    ("SETUID", 7),
    ("SETPCAP", 8),
    ("SYS_PTRACE", 19),
    ("SYS_ADMIN", 21),
    ("PERFMON", 38),
    ("BPF", 39),
];

/// The number of a capability.
pub(super) fn number(name: &str) -> u32 {
    let known = CAPABILITIES.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("capability {name} is not in this test's list")).1
}

/// A profile: the base, and what it changes in it.
pub(super) struct Manifest {
    base: Value,
    /// Null where the profile is the base alone.
    patch: Value,
}

impl Manifest {
    pub(super) fn read(profile: &str) -> Self {
        let patch = folder().join(profile).join("daemonset.yaml");
        let patch = if patch.exists() { document(&patch) } else { Value::Null };
        Self { base: document(&folder().join("base/daemonset.yaml")), patch }
    }

    /// A list of both, those of the base first: Kubernetes merges lists whose elements have names.
    fn both(&self, pointer: &str) -> Vec<&Value> {
        let documents = [&self.base, &self.patch].into_iter();
        documents.filter_map(|document| document.pointer(pointer)?.as_array()).flatten().collect()
    }

    /// Kubernetes replaces this list, it does not add to it.
    pub(super) fn capabilities(&self) -> Vec<String> {
        let pointer = format!("{CONTAINER}/securityContext/capabilities/add");
        let list = self.patch.pointer(&pointer).or(self.base.pointer(&pointer)).and_then(Value::as_array);
        list.unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Bytes of memory that the agent `requests` or that are its `limits`.
    pub(super) fn memory(&self, which: &str) -> u64 {
        let quantity = self.base.pointer(&format!("{CONTAINER}/resources/{which}/memory")).unwrap();
        let mib = quantity.as_str().and_then(|text| text.strip_suffix("Mi")).unwrap();
        mib.parse::<u64>().unwrap() << 20
    }

    /// The agent's configuration: the same in all profiles.
    pub(super) fn configuration() -> String {
        let map = document(&folder().join("base/configmap.yaml"));
        map["data"]["gomon.yaml"].as_str().unwrap().to_owned()
    }

    /// Makes the configuration that of the agent. `places` stand for volumes that are not the node's own directories.
    pub(super) fn apply(&self, config: &mut Value, places: &[(&str, PathBuf)]) {
        let security = self.base.pointer(&format!("{CONTAINER}/securityContext")).unwrap();
        assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(security["seccompProfile"]["type"], "Unconfined");
        assert_eq!(self.base.pointer("/spec/template/spec/hostPID"), Some(&Value::Bool(true)));
        let args = self.both(&format!("{CONTAINER}/args"));
        let process = &mut config["process"];
        process["args"] = std::iter::once(&json!("/gomon")).chain(args).cloned().collect();
        process["user"] = json!({ "uid": security["runAsUser"], "gid": security["runAsGroup"] });
        process["noNewPrivileges"] = json!(!security["allowPrivilegeEscalation"].as_bool().unwrap());
        let names: Value = self.capabilities().iter().map(|name| format!("CAP_{name}")).collect();
        process["capabilities"] = json!({ "bounding": names, "effective": names, "permitted": names });
        config["linux"]["resources"] = json!({ "memory": { "limit": self.memory("limits") } });
        config["root"]["readonly"] = security["readOnlyRootFilesystem"].clone();
        let namespaces = ["mount", "ipc", "uts", "network", "cgroup"];
        config["linux"]["namespaces"] = namespaces.iter().map(|kind| json!({ "type": kind })).collect();
        let mut mounts = vec![
            json!({ "destination": "/proc", "type": "proc", "source": "proc" }),
            json!({ "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"] }),
            json!({ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid"] }),
        ];
        mounts.extend(self.mounts(places));
        config["mounts"] = mounts.into();
    }

    fn mounts(&self, places: &[(&str, PathBuf)]) -> Vec<Value> {
        let volumes = self.both("/spec/template/spec/volumes");
        let mounts = self.both(&format!("{CONTAINER}/volumeMounts")).into_iter();
        mounts
            .map(|mount| {
                let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
                let place = places.iter().find(|(name, _)| mount["name"] == *name);
                let source = match place {
                    Some((_, path)) => path.to_str().unwrap(),
                    None => volume["hostPath"]["path"].as_str().unwrap(),
                };
                let access = if mount["readOnly"] == true { "ro" } else { "rw" };
                let follows = mount["mountPropagation"] == "HostToContainer";
                let propagation = if follows { "rslave" } else { "rprivate" };
                json!({
                    "destination": mount["mountPath"],
                    "type": "bind",
                    "source": source,
                    "options": ["rbind", access, propagation],
                })
            })
            .collect()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes")
}

fn document(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
