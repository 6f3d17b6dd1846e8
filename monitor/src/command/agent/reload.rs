//! SIGHUP: the configuration is read anew, and what can change while the agent runs does.

use jiff::Timestamp;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::super::{
    exit::{Exit, Failure},
    settings::{self, Log},
};
use crate::{
    cli::{Global, args::AgentArgs},
    config::{Config, Reload},
    pipeline::Pipeline,
    sink::shared::Shared,
};

/// SIGHUP has no effect until [`Hangups::listen`]: it would end an agent that has only just begun.
pub(super) fn ignore_until_listened_to() {
    // SAFETY: signal(2) with a disposition that is no function.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// Configurations that were read because somebody asked for it.
pub(super) struct Hangups(mpsc::Receiver<Result<Config, Failure>>);

impl Hangups {
    /// Listens from now on. The files are read on a thread of their own: one that hangs holds nothing up.
    pub(super) fn listen(args: &AgentArgs, global: Global) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let args = args.clone();
        let hangups = signal(SignalKind::hangup());
        tokio::spawn(async move {
            let mut hangups = match hangups {
                Ok(hangups) => hangups,
                Err(error) => {
                    tracing::warn!(%error, "no reload: gomon cannot listen for SIGHUP");
                    return;
                }
            };
            while hangups.recv().await.is_some() {
                let args = args.clone();
                let read = tokio::task::spawn_blocking(move || settings::agent(&args, global)).await;
                let read = read.unwrap_or_else(|error| Err(Failure::new(Exit::Usage, error)));
                if sender.send(read).await.is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next one; cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Config, Failure> {
        match self.0.recv().await {
            Some(read) => read,
            None => std::future::pending().await,
        }
    }
}

/// Takes over what was read. A wrong configuration changes nothing.
pub(super) fn apply(
    read: Result<Config, Failure>,
    config: &mut Config,
    log: &Log,
    pipeline: &mut Pipeline,
    shared: &Shared,
) {
    let new = match read {
        Ok(new) => new,
        Err(failure) => {
            shared.metrics(|metrics| metrics.configured(None));
            tracing::error!("the configuration cannot be reloaded, and all stays as it was: {failure}");
            return;
        }
    };
    let Reload { config: reloaded, taken, waiting } = config.reloaded(new);
    *config = reloaded;
    log.set(config.log_format, config.log_level);
    pipeline.use_runtime_sockets(&config.runtime_sockets, &config.host_root);
    shared.metrics(|metrics| {
        metrics.set_max_series(config.max_series);
        metrics.configured(Some(Timestamp::now()));
    });
    for key in &waiting {
        tracing::warn!(
            "{key} has changed in the configuration: it needs a restart of the agent, the old value holds until then"
        );
    }
    let changed = if taken.is_empty() { "nothing".to_owned() } else { taken.join(", ") };
    tracing::info!("configuration reloaded; changed: {changed}");
}
