//! What a configuration that was read anew changes in a running agent, and what has to wait for a restart. Pure.

use super::Config;

/// What came of a new configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// What holds from now on.
    pub config: Config,
    /// Keys whose new values were taken over.
    pub taken: Vec<&'static str>,
    /// Keys whose new values need a restart: the old ones hold on.
    pub waiting: Vec<&'static str>,
}

impl Config {
    /// What holds in a running agent once `new` was read. Sockets that are bound and the root that all paths begin with stay.
    #[must_use]
    pub fn reloaded(&self, new: Self) -> Reload {
        let mut config = self.clone();
        let Self {
            listen,
            socket,
            runtime_sockets,
            host_root,
            max_series,
            store,
            otlp,
            kubernetes,
            confine,
            log_format,
            log_level,
        } = new;
        let taken = [
            takes(&mut config.runtime_sockets, runtime_sockets, "runtime_sockets"),
            takes(&mut config.max_series, max_series, "max_series"),
            takes(&mut config.log_format, log_format, "log_format"),
            takes(&mut config.log_level, log_level, "log_level"),
        ];
        let waiting = [
            (config.listen != listen).then_some("listen"),
            (config.socket != socket).then_some("socket"),
            (config.host_root != host_root).then_some("host_root"),
            (config.store != store).then_some("store"),
            (config.otlp != otlp).then_some("otlp"),
            (config.kubernetes != kubernetes).then_some("kubernetes_events"),
            (config.confine != confine).then_some("confine"),
        ];
        Reload {
            config,
            taken: taken.into_iter().flatten().collect(),
            waiting: waiting.into_iter().flatten().collect(),
        }
    }
}

/// The key, if its value changes.
fn takes<T: PartialEq>(old: &mut T, new: T, key: &'static str) -> Option<&'static str> {
    let changes = *old != new;
    *old = new;
    changes.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::super::{Layer, LogLevel};
    use super::*;

    fn config(layer: Layer) -> Config {
        Config::complete(layer).unwrap()
    }

    #[test]
    fn what_can_change_does_and_what_cannot_is_named_and_stays() {
        let old = config(Layer::default());
        let new = config(Layer {
            listen: Some("127.0.0.1:1".to_owned()),
            socket: Some("/new".into()),
            host_root: Some("/host".into()),
            runtime_sockets: Some(vec!["/run/new.sock".into()]),
            max_series: Some(7),
            otlp_endpoint: Some("http://127.0.0.1:4317".to_owned().into()),
            log_level: Some(LogLevel::Debug),
            ..Layer::default()
        });
        let Reload { config, taken, waiting } = old.reloaded(new.clone());
        assert_eq!(taken, ["runtime_sockets", "max_series", "log_level"]);
        assert_eq!(waiting, ["listen", "socket", "host_root", "otlp"]);
        let Config { listen, socket, host_root, otlp, .. } = old;
        assert_eq!(config, Config { listen, socket, host_root, otlp, ..new });
    }

    #[test]
    fn the_same_configuration_changes_nothing() {
        let old = config(Layer::default());
        let Reload { config, taken, waiting } = old.reloaded(old.clone());
        assert_eq!((config, taken.len(), waiting.len()), (old, 0, 0));
    }
}
