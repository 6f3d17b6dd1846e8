//! `gomon agent`: watches all containers of the node and serves what it finds.

use std::time::Duration;

use super::{
    exit::{Exit, Failure, OrExit},
    live, settings,
    version::BUILD,
};
use crate::{
    cli::{
        Global,
        args::{AgentArgs, HostArgs},
    },
    config::Config,
    kernel::clock,
    ledger::Change,
    model::text::inert,
    pipeline::{Output, Pipeline},
    sink::{
        http::{self, UnixSocket, listen_tcp},
        metrics::Metrics,
        shared::Shared,
    },
};

/// How long a stop may take: what is in the rings is still counted.
const GRACE: Duration = Duration::from_millis(200);

pub(super) fn run(args: &AgentArgs, global: Global) -> Result<Exit, Failure> {
    let config = settings::agent(args, global)?;
    if args.check_config {
        return Ok(Exit::Nothing);
    }
    settings::log(config.log_format, config.log_level, global.color);
    live::block_on(serve(config, global))
}

async fn serve(config: Config, global: Global) -> Result<Exit, Failure> {
    let stop = live::stopped();
    tokio::pin!(stop);
    // Listen first: a port in use must not cost a running agent its probes.
    let tcp = listen_tcp(&config.listen).await.or_exit(Exit::Usage)?;
    let unix = match UnixSocket::listen(&config.socket) {
        Ok(unix) => Some(unix),
        Err(error) => {
            tracing::warn!(error = %Failure::new(Exit::Usage, error), "no unix socket: local commands cannot ask the agent");
            None
        }
    };
    let metrics = Metrics::new(BUILD, clock::boot_epoch(), config.max_series).or_exit(Exit::Usage)?;
    let shared = Shared::new(metrics, clock::boot_epoch());
    let address = tcp.local_addr().map_or(config.listen.clone(), |address| address.to_string());
    let server = tokio::spawn(http::serve(tcp, shared.clone()));
    let local = unix.map(|unix| tokio::spawn(http::serve(unix, shared.clone())));
    let host = HostArgs {
        runtime_sockets: config.runtime_sockets.clone(),
        host_root: Some(config.host_root.clone()),
    };
    let observer = live::observe(&host, None, global)?;
    let blind: Vec<String> = observer
        .hooks()
        .iter()
        .filter(|state| !state.is_attached())
        .map(|state| format!("hook {} is off: {}", state.hook.name, state.hook.lost))
        .collect();
    tracing::info!(%address, containers = observer.containers(), probes = observer.hooks().len() - blind.len(), "gomon watches");
    let mut pipeline = Pipeline::new(observer).sharing(shared.clone());
    shared.set_not_ready(blind);
    let ended = loop {
        tokio::select! {
            () = &mut stop => break Ok(Exit::Nothing),
            turn = pipeline.turn() => match turn {
                Ok(outputs) => tell(&pipeline, outputs),
                Err(error) => break Err(Failure::new(Exit::CannotObserve, error)),
            },
        }
    };
    shared.set_not_ready(vec!["gomon is stopping".to_owned()]);
    // Ordinary events wait in their ring; take the last ones along.
    drop(tokio::time::timeout(GRACE, pipeline.turn()).await);
    server.abort();
    if let Some(local) = local {
        local.abort();
        // Its end removes the socket.
        drop(local.await);
    }
    tracing::info!("gomon stopped");
    ended
}

/// Logs what changed.
fn tell(pipeline: &Pipeline, outputs: Vec<Output>) {
    for output in outputs {
        let Output::Changed(change) = output else { continue };
        let diagnosis = change.diagnosis();
        let name =
            pipeline.engine().case(&diagnosis.container).map(|case| inert(&case.identity.name).into_owned());
        let what = match &change {
            Change::New(_) => "found",
            Change::Again(_) => "again",
            Change::Revised(_) => continue,
        };
        tracing::info!(
            container = name.unwrap_or_default(),
            id = diagnosis.container.short(),
            pattern = diagnosis.pattern,
            severity = diagnosis.severity.name(),
            confidence = diagnosis.confidence.name(),
            count = diagnosis.count,
            "{what}: {}",
            diagnosis.summary
        );
    }
}
