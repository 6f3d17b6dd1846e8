//! `gomon agent`: watches all containers of the node and serves what it finds.

mod reload;
mod sight;

use std::time::Duration;

use jiff::Timestamp;

use super::{
    exit::{Exit, Failure, OrExit},
    live,
    settings::{self, Log},
    version::BUILD,
};
use crate::{
    cli::{
        Global,
        args::{AgentArgs, HostArgs},
    },
    config::{Config, store::StoreConfig},
    kernel::clock,
    ledger::Change,
    model::{incident::Session, text::inert},
    pipeline::{Output, Pipeline},
    sink::{
        http::{self, UnixSocket, listen_tcp},
        metrics::Metrics,
        shared::Shared,
        store::{Keeper, Limits},
    },
};
use reload::Hangups;
use sight::Sight;

/// How long a stop may take: what is in the rings is still counted.
const GRACE: Duration = Duration::from_millis(200);
/// How long writing the last incidents may take.
const STORE_GRACE: Duration = Duration::from_secs(5);

pub(super) fn run(args: &AgentArgs, global: Global) -> Result<Exit, Failure> {
    reload::ignore_until_listened_to();
    let config = settings::agent(args, global)?;
    if args.check_config {
        return Ok(Exit::Nothing);
    }
    let log = settings::log(config.log_format, config.log_level, global.color);
    live::block_on(serve(config, args, &log, global))
}

async fn serve(mut config: Config, args: &AgentArgs, log: &Log, global: Global) -> Result<Exit, Failure> {
    let mut hangups = Hangups::listen(args, global);
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
    let keeper = config.store.as_ref().map(keep).transpose()?.flatten();
    let metrics = Metrics::new(BUILD, clock::boot_epoch(), config.max_series).or_exit(Exit::Usage)?;
    metrics.configured(Some(Timestamp::now()));
    let shared = Shared::new(metrics, clock::boot_epoch());
    let address = tcp.local_addr().map_or(config.listen.clone(), |address| address.to_string());
    let server = tokio::spawn(http::serve(tcp, shared.clone()));
    let local = unix.map(|unix| tokio::spawn(http::serve(unix, shared.clone())));
    let host = HostArgs {
        runtime_sockets: config.runtime_sockets.clone(),
        host_root: Some(config.host_root.clone()),
    };
    let observer = live::observe(&host, None, global)?;
    let off: Vec<String> = observer
        .hooks()
        .iter()
        .filter(|state| !state.is_attached())
        .map(|state| format!("hook {} is off: {}", state.hook.name, state.hook.lost))
        .collect();
    tracing::info!(%address, containers = observer.containers(), probes = observer.hooks().len() - off.len(), "gomon watches");
    let mut pipeline = Pipeline::new(observer).sharing(shared.clone());
    if let (Some(keeper), Some(store)) = (&keeper, &config.store) {
        pipeline = pipeline.keeping(keeper.handle());
        shared.set_store(store.path.clone());
    }
    let mut sight = Sight::new(off);
    let ended = loop {
        tokio::select! {
            () = &mut stop => break Ok(Exit::Nothing),
            read = hangups.next() => reload::apply(read, &mut config, log, &mut pipeline, &shared),
            turn = pipeline.turn() => match turn {
                Ok(outputs) => {
                    tell(&pipeline, outputs);
                    sight.turn(&mut pipeline, &shared);
                }
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
    if let Some(keeper) = keeper {
        let left = tokio::task::spawn_blocking(|| keeper.finish(STORE_GRACE)).await.unwrap_or(0);
        if left > 0 {
            tracing::error!(left, "incidents were not written");
        }
    }
    tracing::info!("gomon stopped");
    ended
}

/// Begins to keep incidents. A file that somebody chose has to be that one; the usual place belongs to whoever came first.
fn keep(store: &StoreConfig) -> Result<Option<Keeper>, Failure> {
    let StoreConfig { path, is_chosen, max_age, max_bytes } = store;
    let session = Session { boot: clock::boot_id().unwrap_or_default(), started: clock::now() };
    let limits = Limits { max_age: *max_age, max_bytes: *max_bytes };
    match Keeper::start(path, session, limits) {
        Ok(keeper) => Ok(Some(keeper)),
        Err(error) if *is_chosen => Err(Failure::new(Exit::Usage, error)),
        Err(error) => {
            tracing::error!(error = %Failure::new(Exit::Usage, error), "no incidents are kept");
            Ok(None)
        }
    }
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
