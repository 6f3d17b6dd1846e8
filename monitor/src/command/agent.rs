//! `gomon agent`: watches all containers of the node and serves what it finds.

mod export;
mod reload;
mod sight;

use std::{net::TcpListener, time::Duration};

use jiff::Timestamp;

use super::{
    exit::{Exit, Failure, OrExit},
    live::{self, Held},
    settings::{self, Log},
    version::BUILD,
};
#[cfg(feature = "kubernetes")]
use crate::sink::events::{Posted, Poster};
use crate::{
    cli::{
        Global,
        args::{AgentArgs, HostArgs},
    },
    config::{Config, store::StoreConfig},
    confine::{self, Confinement, Restraint},
    kernel::clock,
    ledger::Change,
    model::{incident::Session, text::inert},
    observer::Observer,
    pipeline::{Output, Pipeline},
    sink::{
        http::{self, BoundSocket, listen_tcp},
        metrics::Metrics,
        shared::Shared,
        store::{self, Keeper, Limits},
    },
};
use export::Export;
use reload::Hangups;
use sight::Sight;

/// How long a stop may take: what is in the rings is still counted.
const GRACE: Duration = Duration::from_millis(200);
/// How long writing the last incidents may take.
const STORE_GRACE: Duration = Duration::from_secs(5);
/// How long writing the last Kubernetes Events may take.
#[cfg(feature = "kubernetes")]
const EVENTS_GRACE: Duration = Duration::from_secs(3);

pub(super) fn run(args: &AgentArgs, global: Global) -> Result<Exit, Failure> {
    reload::ignore_until_listened_to();
    let config = settings::agent(args, global)?;
    let export = Export::prepare(&config)?;
    if args.check_config {
        return Ok(Exit::Nothing);
    }
    let log = settings::log(config.log_format, config.log_level, global.color);
    let held = Held::hold();
    // Listen first: a port in use must not cost a running agent its probes.
    let sockets = Sockets::open(&config)?;
    let host = HostArgs {
        runtime_sockets: config.runtime_sockets.clone(),
        host_root: Some(config.host_root.clone()),
    };
    let observer = live::observe(&host, None, global)?;
    make_room(&config);
    // Before there are other threads: most of it holds for the calling one and those that it starts.
    let confinement = confined(&config);
    live::block_on(serve(config, args, &log, global, Start { held, sockets, observer, confinement, export }))
}

/// What was done with all privileges.
struct Start {
    held: Held,
    sockets: Sockets,
    observer: Observer,
    confinement: Confinement,
    export: Option<Export>,
}

/// What clients connect to; opened with all privileges.
struct Sockets {
    tcp: TcpListener,
    unix: Option<BoundSocket>,
}

impl Sockets {
    fn open(config: &Config) -> Result<Self, Failure> {
        let tcp = listen_tcp(&config.listen).or_exit(Exit::Usage)?;
        if tcp.local_addr().is_ok_and(|address| !address.ip().is_loopback()) {
            tracing::warn!(
                address = config.listen,
                "whoever reaches this address reads metrics and diagnoses: let a firewall or a network policy decide who does"
            );
        }
        let owner = config.confine.then_some(confine::UID);
        let unix = match BoundSocket::listen(&config.socket, owner) {
            Ok(unix) => Some(unix),
            Err(error) => {
                tracing::warn!(error = %Failure::new(Exit::Usage, error), "no unix socket: local commands cannot ask the agent");
                None
            }
        };
        Ok(Self { tcp, unix })
    }
}

/// Gives up what is no longer needed, and says what could not be given up.
fn confined(config: &Config) -> Confinement {
    if !config.confine {
        tracing::warn!("gomon keeps all its privileges: it was told not to confine itself");
        return Confinement::default();
    }
    if !config.runtime_sockets.is_empty() {
        tracing::warn!(
            sockets = ?config.runtime_sockets,
            "gomon keeps the groups of these sockets: whoever may use a runtime's socket is as good as root"
        );
    }
    let confinement = confine::agent(&config.runtime_sockets);
    for (restraint, why) in &confinement.failed {
        tracing::warn!(restraint = restraint.name(), why, "gomon keeps more than it needs");
    }
    tracing::info!(in_force = %confinement, "gomon confined itself");
    confinement
}

async fn serve(
    mut config: Config,
    args: &AgentArgs,
    log: &Log,
    global: Global,
    Start { held, sockets, observer, confinement, export }: Start,
) -> Result<Exit, Failure> {
    let mut hangups = Hangups::listen(args, global);
    let stop = live::stopped(&held);
    tokio::pin!(stop);
    let tcp = http::tcp(sockets.tcp).or_exit(Exit::Usage)?;
    let unix = sockets.unix.map(BoundSocket::start).transpose().or_exit(Exit::Usage)?;
    let keeper = config.store.as_ref().map(keep).transpose()?.flatten();
    let metrics = Metrics::new(BUILD, clock::boot_epoch(), config.max_series).or_exit(Exit::Usage)?;
    metrics.configured(Some(Timestamp::now()));
    for restraint in Restraint::ALL {
        metrics.set_confined(restraint.name(), confinement.has(restraint));
    }
    let shared = Shared::new(metrics, clock::boot_epoch());
    let address = tcp.local_addr().map_or(config.listen.clone(), |address| address.to_string());
    let server = tokio::spawn(http::serve(tcp, shared.clone()));
    let local = unix.map(|unix| tokio::spawn(http::serve(unix, shared.clone())));
    let off: Vec<String> = observer
        .hooks()
        .iter()
        .filter(|state| !state.is_attached())
        .map(|state| format!("hook {} is off: {}", state.hook.name, state.hook.lost))
        .collect();
    tracing::info!(%address, containers = observer.containers(), probes = observer.hooks().len() - off.len(), "gomon watches");
    let mut pipeline = Pipeline::new(observer).sharing(shared.clone());
    if let (Some(keeper), Some(store)) = (&keeper, &config.store) {
        pipeline = pipeline.handing_to(Box::new(keeper.handle()));
        shared.set_store(store.path.clone());
    }
    let exporter = export.map(Export::start);
    if let Some(exporter) = &exporter {
        pipeline = pipeline.handing_to(Box::new(exporter.handle()));
    }
    #[cfg(feature = "kubernetes")]
    let poster = config.kubernetes.clone().map(Poster::start);
    #[cfg(feature = "kubernetes")]
    if let Some(poster) = &poster {
        pipeline = pipeline.handing_to(Box::new(poster.handle()));
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
    #[cfg(feature = "kubernetes")]
    let announced = finish(poster);
    #[cfg(not(feature = "kubernetes"))]
    let announced = std::future::ready(());
    tokio::join!(export::finish(exporter), announced, close(keeper));
    tracing::info!("gomon stopped");
    ended
}

/// Writes the last incidents.
async fn close(keeper: Option<Keeper>) {
    let Some(keeper) = keeper else { return };
    let left = tokio::task::spawn_blocking(|| keeper.finish(STORE_GRACE)).await.unwrap_or(0);
    if left > 0 {
        tracing::error!(left, "incidents were not written");
    }
}

/// Writes the last Kubernetes Events, and says what became of all.
#[cfg(feature = "kubernetes")]
async fn finish(poster: Option<Poster>) {
    let Some(poster) = poster else { return };
    let Posted { created, patched, failed, refused, dropped, .. } = poster.finish(EVENTS_GRACE).await;
    tracing::info!(created, patched, failed, refused, dropped, "no more Kubernetes Events are written");
}

/// Makes the place of the store, and gives it to the user that the agent becomes.
fn make_room(config: &Config) {
    let Some(store) = config.store.as_ref().filter(|_| config.confine) else { return };
    if let Err(error) = store::make_room(&store.path, confine::UID) {
        tracing::warn!(error = %Failure::new(Exit::Usage, error), "the store's place could not be made ready");
    }
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
