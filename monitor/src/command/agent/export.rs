//! The export of log records: what it needs is read with all privileges, and it begins once they are given up.

use std::{env, fs, path::Path, time::Duration};

use super::super::exit::{Exit, Failure};
use crate::{
    config::Config,
    sink::otlp::{Exporter, Own, Settings},
};

/// How long sending the last records may take.
const GRACE: Duration = Duration::from_secs(5);
/// Whom the node is to Kubernetes; the manifests set it.
const NODE_NAME: &str = "NODE_NAME";

/// An export that has not begun.
pub(super) struct Export {
    settings: Settings,
    own: Own,
}

impl Export {
    /// Reads headers and certificates, where an export is configured.
    pub(super) fn prepare(config: &Config) -> Result<Option<Self>, Failure> {
        let Some(otlp) = &config.otlp else { return Ok(None) };
        let settings = otlp.settings().map_err(|error| Failure::new(Exit::Usage, error))?;
        Ok(Some(Self { settings, own: own(&config.host_root) }))
    }

    /// Begins to send; call it in the runtime of an agent that has confined itself.
    pub(super) fn start(self) -> Exporter {
        let Self { settings, own } = self;
        tracing::info!(receiver = ?settings, "diagnoses go to an OTLP receiver");
        Exporter::start(settings, own)
    }
}

/// Sends what waits.
pub(super) async fn finish(exporter: Option<Exporter>) {
    let Some(exporter) = exporter else { return };
    let left = exporter.finish(GRACE).await;
    if left > 0 {
        tracing::error!(left, "log records were not sent");
    }
}

fn own(host_root: &Path) -> Own {
    let node = env::var(NODE_NAME).unwrap_or_default();
    let read = |path: &Path| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    // A pod has a host name of its own, and sees the node's in the node's file alone.
    let in_file = read(&host_root.join("etc/hostname"));
    let host = [&node, &in_file].into_iter().find(|name| !name.is_empty()).cloned();
    Own {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: read(Path::new("/proc/sys/kernel/random/uuid")),
        host: host.unwrap_or_else(|| read(Path::new("/proc/sys/kernel/hostname"))),
        node,
    }
}
