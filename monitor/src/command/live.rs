//! What every command that observes the running kernel shares: the runtime, the start, the end.

use std::{future::Future, path::Path, time::Duration};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    exit::{Exit, Failure, OrExit},
    settings,
};
use crate::{
    cli::{
        Global,
        args::{HostArgs, Selection},
        target::Target,
    },
    config::LogFormat,
    inspect::{self, Survey},
    kernel::{hooks, load::Choice},
    model::container::{ContainerId, Identity},
    observer::{ObserveError, Observer, Options},
    runtime::{self, Listed, ResolveError},
};

/// Time for all sockets together: what they add is names alone.
const SOCKET_TIME: Duration = Duration::from_secs(2);

/// Runs a command's future to its end.
pub(super) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .or_exit(Exit::CannotObserve)?;
    let result = runtime.block_on(future);
    // An inspection that hangs in the file system must not keep the command from ending.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Sets up the log of a command that runs for a person.
pub(super) fn log(global: Global) {
    drop(settings::log(LogFormat::Text, settings::level(global), global.color));
}

/// Attaches the probes.
pub(super) fn observe(
    host: &HostArgs,
    only: Option<ContainerId>,
    global: Global,
) -> Result<Observer, Failure> {
    let options = Options {
        host_root: host.host_root.clone(),
        runtime_sockets: host.runtime_sockets.clone(),
        only,
        force_cgroup_v1: std::env::var_os("GOMON_FORCE_CGROUP_V1").is_some(),
        hooks: choice()?,
        kernel_log: global.verbose >= 2,
    };
    let observer = Observer::start(&options).map_err(cannot_observe)?;
    let states = observer.hooks().iter().chain(observer.on_demand());
    for state in states.filter(|state| !state.is_attached()) {
        tracing::warn!(hook = state.hook.name, lost = state.hook.lost, "a probe is off: {:?}", state.outcome);
    }
    Ok(observer)
}

/// For comparisons and tests: `GOMON_HOOKS=fexit|tracepoint|raw` makes hooks see in one way alone, `GOMON_HOOKS_OFF=NAME,…`
/// leaves some out.
pub(super) fn choice() -> Result<Choice, Failure> {
    let only = std::env::var("GOMON_HOOKS").ok().map(|wanted| {
        let kind = hooks::Kind::ALL.into_iter().find(|kind| wanted == kind.name());
        kind.with_context(|| format!("GOMON_HOOKS is {wanted}, not fexit, tracepoint or raw"))
    });
    let off = std::env::var("GOMON_HOOKS_OFF").unwrap_or_default();
    let without = off.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|wanted| {
        let known = || hooks::HOOKS.iter().map(|hook| hook.name);
        known().find(|name| *name == wanted).with_context(|| {
            let known: Vec<&str> = known().collect();
            format!("GOMON_HOOKS_OFF names {wanted}; the hooks are {}", known.join(", "))
        })
    });
    let without = without.collect::<anyhow::Result<_>>().or_exit(Exit::Usage)?;
    Ok(Choice { only: only.transpose().or_exit(Exit::Usage)?, without })
}

/// The error with its way out.
pub(super) fn cannot_observe(error: ObserveError) -> Failure {
    let way_out = if rustix::process::geteuid().is_root() {
        "`gomon doctor` says what this host allows"
    } else {
        "run it as root, or with CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; `gomon doctor` says more"
    };
    Failure::new(
        Exit::CannotObserve,
        anyhow::Error::new(error).context(format!("cannot observe this host ({way_out})")),
    )
}

/// Wishes to stop, or to reload, that wait until somebody listens.
pub(super) struct Held(libc::sigset_t);

impl Held {
    /// Asking counts from this call on: a command makes it before the work of its start, in which SIGTERM would else kill
    /// it, or pass unheard where it is PID 1. Threads that are started before [`stopped`] never hear of them.
    pub(super) fn hold() -> Self {
        // SAFETY: the sets are plain memory that these calls fill in, and live until they return.
        unsafe {
            let mut set = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGINT);
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            libc::sigaddset(&raw mut set, libc::SIGHUP);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            Self(before)
        }
    }

    fn release(&self) {
        // SAFETY: the set was filled in by the call that blocked the signals.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut());
        }
    }
}

/// Ends when a person or a supervisor asks for it, or has asked since `held`.
pub(super) fn stopped(held: &Held) -> impl Future<Output = ()> + use<> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    held.release();
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Ends after `limit`; never without one.
pub(super) async fn elapsed(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Which containers a stream shows.
pub(super) struct Wanted {
    target: Option<Target>,
    selection: Selection,
}

impl Wanted {
    pub(super) fn new(target: Option<&Target>, selection: &Selection, args: &HostArgs) -> Self {
        // A process is asked for its container now: it may be gone when the first event comes.
        let target = match target {
            Some(Target::Pid(pid)) => {
                let host = host(args).ok();
                let id = host.and_then(|host| runtime::container_of_process(&host, *pid).ok().flatten());
                Some(Target::NameOrId(id.map_or_else(|| format!("pid:{pid}"), |id| id.0.to_string())))
            }
            other => other.cloned(),
        };
        Self { target, selection: selection.clone() }
    }

    /// Whether this container is meant. A name that no container has yet may get one later.
    pub(super) fn fits(&self, container: &ContainerId, identity: &Identity) -> bool {
        let Selection { namespace, pod, container: name } = &self.selection;
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        self.target.as_ref().is_none_or(|target| target.fits(container, identity))
            && is(namespace, &identity.namespace)
            && is(pod, &identity.pod)
            && is(name, &identity.name)
    }
}

/// The host's files.
pub(super) fn host(args: &HostArgs) -> Result<inspect::Host, Failure> {
    match &args.host_root {
        Some(root) => inspect::Host::new(root, &root.join("proc")),
        None => inspect::Host::local(),
    }
    .or_exit(Exit::CannotObserve)
}

/// The one container that is meant, from what files and sockets know.
pub(super) async fn find(
    host: &inspect::Host,
    args: &HostArgs,
    target: Option<&Target>,
    selection: &Selection,
) -> Result<Listed, Failure> {
    let sockets = if args.runtime_sockets.is_empty() {
        runtime::known_sockets(args.host_root.as_deref().unwrap_or(Path::new("/")))
    } else {
        args.runtime_sockets.clone()
    };
    let (told, errors) = runtime::from_sockets(&sockets, SOCKET_TIME).await;
    for error in errors {
        tracing::warn!("{:#}", anyhow::Error::new(error));
    }
    let listed = runtime::merge(runtime::from_files(host), told);
    let found = runtime::resolve(target, selection, &listed, |pid| runtime::container_of_process(host, pid));
    match found {
        // Among what this user may not read there may be one.
        Err(error @ ResolveError::NotFound { .. }) if is_closed(host) => {
            let why = "the containers of this host are closed to this user (run it as root, or with CAP_DAC_READ_SEARCH; \
                `gomon doctor` says more)";
            Err(Failure::new(Exit::CannotObserve, anyhow::Error::new(error).context(why)))
        }
        found => Ok(found?),
    }
}

/// A place where runtimes keep their containers may not be read.
fn is_closed(host: &inspect::Host) -> bool {
    host.bundles.survey(host).iter().any(|(_, found)| *found == Survey::Closed)
}
