//! The members of `config.json` that gomon reads, as the OCI runtime specification names them. Values only.

use std::{collections::HashMap, path::PathBuf};

use serde::{Deserialize, de::IgnoredAny};

use super::seccomp::Profile;
use crate::model::fact::Mount;

#[derive(Deserialize)]
pub(super) struct Spec {
    pub(super) root: Option<Root>,
    pub(super) process: Option<Process>,
    pub(super) mounts: Option<Vec<MountSpec>>,
    pub(super) annotations: Option<HashMap<String, String>>,
    pub(super) linux: Option<Linux>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) readonly: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Process {
    pub(super) terminal: bool,
    pub(super) user: User,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<Vec<String>>,
    pub(super) cwd: String,
    pub(super) capabilities: Option<Capabilities>,
    pub(super) no_new_privileges: bool,
    pub(super) apparmor_profile: String,
    pub(super) selinux_label: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) additional_gids: Option<Vec<u32>>,
}

#[derive(Deserialize, Default)]
pub(super) struct Capabilities {
    pub(super) bounding: Option<Vec<String>>,
    pub(super) effective: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct MountSpec {
    pub(super) destination: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) source: Option<String>,
    pub(super) options: Option<Vec<String>>,
}

impl From<MountSpec> for Mount {
    fn from(spec: MountSpec) -> Self {
        let options = spec.options.unwrap_or_default();
        let bind = options.iter().any(|option| option == "bind" || option == "rbind");
        Self {
            destination: spec.destination,
            kind: if bind { "bind".to_owned() } else { spec.kind.unwrap_or_default() },
            source: spec.source.unwrap_or_default(),
            options,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Linux {
    #[serde(default)]
    pub(super) cgroups_path: String,
    pub(super) uid_mappings: Option<Vec<IdMapping>>,
    pub(super) gid_mappings: Option<Vec<IdMapping>>,
    pub(super) namespaces: Option<Vec<Namespace>>,
    pub(super) resources: Option<Resources>,
    pub(super) seccomp: Option<Seccomp>,
    pub(super) masked_paths: Option<Vec<String>>,
}

/// A profile that cannot be read must not cost the rest.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Seccomp {
    Profile(Profile),
    Odd(IgnoredAny),
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct IdMapping {
    #[serde(rename = "containerID")]
    pub(super) container: u32,
    #[serde(rename = "hostID")]
    pub(super) host: u32,
    pub(super) size: u32,
}

#[derive(Deserialize)]
pub(super) struct Namespace {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) path: String,
}

#[derive(Deserialize, Default)]
pub(super) struct Resources {
    pub(super) memory: Option<Memory>,
    pub(super) cpu: Option<Cpu>,
}

#[derive(Deserialize)]
pub(super) struct Memory {
    pub(super) limit: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Cpu {
    pub(super) quota: Option<i64>,
    pub(super) period: Option<u64>,
}
