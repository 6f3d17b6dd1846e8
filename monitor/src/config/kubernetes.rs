//! Whether, where to and how many Kubernetes Events are written, as configured. Parses; never connects.

use std::path::PathBuf;

use super::ConfigError;

/// Writes in a minute, and at once, unless configured.
pub const DEFAULT_PER_MINUTE: u32 = 10;
/// Where the kubelet puts a pod's token and the authority of the API's certificate.
pub const DEFAULT_CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The Kubernetes Events of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// `https://HOST:PORT`; `None` is what the kubelet tells the pod.
    pub api: Option<String>,
    /// The directory of `token` and `ca.crt`.
    pub credentials: PathBuf,
    /// Writes in a minute.
    pub per_minute: u32,
    /// Who reports: the node.
    pub node: String,
}

/// What the layers say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) events: Option<bool>,
    pub(super) per_minute: Option<u32>,
    pub(super) api: Option<String>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) node: Option<String>,
}

impl KubernetesConfig {
    /// `None` unless events are wanted. What is wrong is told either way.
    pub(super) fn complete(said: Said) -> Result<Option<Self>, ConfigError> {
        let Said { events, per_minute, api, credentials, node } = said;
        let wrong = |key, value: String, wanted| Err(ConfigError::Value { key, value, wanted });
        if events == Some(true) && cfg!(not(feature = "kubernetes")) {
            return wrong("kubernetes_events", "true".to_owned(), "this gomon was built without them");
        }
        if per_minute == Some(0) {
            return wrong("kubernetes_events_per_minute", "0".to_owned(), "a number from 1 on is needed");
        }
        // The token goes there: never in the clear.
        if let Some(api) = api.as_ref().filter(|api| !api.starts_with("https://")) {
            return wrong(
                "kubernetes_api",
                api.clone(),
                "an address such as https://10.96.0.1:443 is needed",
            );
        }
        let credentials = credentials.unwrap_or_else(|| DEFAULT_CREDENTIALS.into());
        if !credentials.is_absolute() {
            let credentials = credentials.to_string_lossy().into_owned();
            return wrong("kubernetes_credentials", credentials, "an absolute path is needed");
        }
        let per_minute = per_minute.unwrap_or(DEFAULT_PER_MINUTE);
        let node = node.filter(|node| !node.is_empty()).unwrap_or_else(host_name);
        Ok((events == Some(true)).then_some(Self { api, credentials, per_minute, node }))
    }
}

/// Mostly the node's name; in a pod on the host's network always.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_off_unless_they_are_wanted() {
        assert_eq!(KubernetesConfig::complete(Said::default()).unwrap(), None);
        let off = Said { events: Some(false), node: Some("n".to_owned()), ..Said::default() };
        assert_eq!(KubernetesConfig::complete(off).unwrap(), None);
    }

    #[cfg(feature = "kubernetes")]
    #[test]
    fn what_is_wanted_needs_no_more_words() {
        let on = |node: Option<&str>| Said {
            events: Some(true),
            node: node.map(str::to_owned),
            ..Said::default()
        };
        let config = KubernetesConfig::complete(on(Some("node-1"))).unwrap().unwrap();
        assert_eq!((config.api, config.per_minute, config.node.as_str()), (None, 10, "node-1"));
        assert_eq!(config.credentials, PathBuf::from(DEFAULT_CREDENTIALS));
        for nameless in [None, Some("")] {
            assert_ne!(KubernetesConfig::complete(on(nameless)).unwrap().unwrap().node, "");
        }
    }

    #[test]
    fn a_value_that_cannot_work_names_the_key() {
        let api = |api: &str| Said { api: Some(api.to_owned()), ..Said::default() };
        for (said, key) in [
            (Said { per_minute: Some(0), ..Said::default() }, "kubernetes_events_per_minute is"),
            (api("http://10.96.0.1"), "kubernetes_api is"),
            (api("10.96.0.1:443"), "kubernetes_api is"),
            (Said { credentials: Some("secrets".into()), ..Said::default() }, "kubernetes_credentials is"),
        ] {
            let message = KubernetesConfig::complete(said).unwrap_err().to_string();
            assert!(message.starts_with(key) && message.contains("needed"), "{message}");
        }
    }
}
