//! What an image says beside its files: labels and the health check. Only Docker keeps these on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::Entrypoint;

/// The image's, or the container's own, configuration as dockerd keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// At most [`MAX_LABELS`], each value cut to [`MAX_LABEL_BYTES`].
    pub labels: BTreeMap<String, String>,
    pub healthcheck: Option<Healthcheck>,
}

pub const MAX_LABELS: usize = 64;
pub const MAX_LABEL_BYTES: usize = 256;

/// `HEALTHCHECK` of a Dockerfile, or `--health-cmd`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `CMD` or `CMD-SHELL` and the words behind it.
    pub test: Vec<String>,
    pub interval_ns: u64,
    /// What it needs: for `CMD-SHELL` the shell and then the command's first word, where that is a plain one.
    pub tools: Vec<Entrypoint>,
}
