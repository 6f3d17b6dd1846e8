//! `gomon diagnose`: why one container fails, whether it runs, restarts or is dead already.

use std::{path::Path, time::Duration};

use tokio::time::Instant;

use super::{
    conclusions,
    exit::{Exit, Failure, OrExit},
    live,
    output::Output,
    remembered,
};
use crate::{
    cli::{Global, args::DiagnoseArgs},
    config::DEFAULT_SOCKET,
    engine::Engine,
    inspect::{self, Deadline},
    kernel::clock,
    model::{
        container::{CgroupId, Run},
        diagnosis::{Conclusion, Severity},
        observation::Observation,
        time::BootEpoch,
    },
    pipeline::{self, Pipeline},
    report,
    runtime::Listed,
};

/// How long a running container is watched without `--timeout`.
const WATCH: Duration = Duration::from_secs(10);
/// After a finding or the end of the container: facts and the exit may still come.
const SETTLE: Duration = Duration::from_millis(400);
/// How long the end waits for inspections that are under way.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time for the files of a dead container.
const INSPECTION: Duration = Duration::from_secs(10);

pub(super) fn run(args: &DiagnoseArgs, global: Global, output: Output) -> Result<Exit, Failure> {
    live::log(global);
    live::block_on(diagnose(args, global, output))
}

async fn diagnose(args: &DiagnoseArgs, global: Global, output: Output) -> Result<Exit, Failure> {
    let host = live::host(&args.host)?;
    let target = live::find(&host, &args.host, args.target.as_ref(), &args.selection).await?;
    let is_over = !target.running && target.status() != "restarting";
    let watched =
        if is_over && !args.watch { None } else { watch(args, global, &host, &target, output).await? };
    // What did not run while it was watched is judged by its files and by what the runtime remembers.
    let (conclusion, epoch) = match watched {
        Some(seen) => seen,
        None => (of_dead(&host, &target)?, clock::boot_epoch()),
    };
    let mut conclusion = conclusion;
    let socket = args.socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET));
    match remembered::ask(socket, &target.id, args.since, epoch).await {
        Ok(found) => remembered::add(&mut conclusion, found),
        // No agent is the ordinary case, unless one was named.
        Err(error) if args.socket.is_some() || args.since.is_some() => {
            tracing::warn!("the agent at {} cannot be asked: {error:#}", socket.display());
        }
        Err(error) => tracing::debug!("no agent at {}: {error:#}", socket.display()),
    }
    conclusions::print(vec![conclusion], &args.report, epoch, output)
}

/// Files and the runtime's memory alone; nothing is left to watch.
fn of_dead(host: &inspect::Host, target: &Listed) -> Result<Conclusion, Failure> {
    let mut engine = Engine::new();
    let at = clock::now();
    let run = Run { container: target.id.clone(), cgroup: CgroupId(0) };
    engine.observe(&Observation::Host { at, host: crate::observer::host_facts() });
    engine.observe(&Observation::Appeared { run: run.clone(), at, from_birth: false });
    for fact in inspect::of_dead(host, &target.id, Deadline::after(INSPECTION)) {
        engine.observe(&Observation::Learned { run: run.clone(), at, fact: Box::new(fact) });
    }
    engine.settle();
    let nothing = || anyhow::anyhow!("nothing is known of container {}", target.id.short());
    engine.conclude(&target.id).ok_or_else(|| Failure::new(Exit::Inconclusive, nothing()))
}

/// The runtime is about to start the container again, or has done so.
async fn comes_back(args: &DiagnoseArgs, host: &inspect::Host) -> bool {
    let target = live::find(host, &args.host, args.target.as_ref(), &args.selection).await;
    target.is_ok_and(|target| target.running || target.status() == "restarting")
}

/// Watches until something is found, the container has ended for good, or time is up.
async fn watch(
    args: &DiagnoseArgs,
    global: Global,
    host: &inspect::Host,
    target: &Listed,
    output: Output,
) -> Result<Option<(Conclusion, BootEpoch)>, Failure> {
    let stop = live::stopped(&live::Held::hold());
    tokio::pin!(stop);
    let observer = live::observe(&args.host, Some(target.id.clone()), global)?;
    tracing::info!("watching container {}", target.id.short());
    let mut pipeline = Pipeline::new(observer).telling_observations();
    // With --watch only an explicit limit ends it.
    let limit = if args.watch { args.timeout } else { Some(args.timeout.unwrap_or(WATCH)) };
    let at_the_latest: Option<Instant> = limit.map(|limit| Instant::now() + limit);
    let mut end = at_the_latest;
    let mut waits_until: Option<Instant> = None;
    let (mut vanished, mut found) = (false, false);
    loop {
        let at_end = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let outputs = tokio::select! {
            () = &mut stop => break,
            () = at_end => {
                // What is being looked at may be what the verdict rests on.
                let patience = *waits_until.get_or_insert(Instant::now() + PATIENCE);
                if pipeline.observer().is_inspecting() && Instant::now() < patience {
                    end = Some(Instant::now() + SETTLE / 8);
                    continue;
                }
                // A run whose beginning was not seen tells little; the next one will be seen whole.
                let is_early = at_the_latest.is_some_and(|latest| Instant::now() < latest);
                if is_early && !found && comes_back(args, host).await {
                    (end, waits_until) = (at_the_latest, None);
                    continue;
                }
                break;
            }
            turn = pipeline.turn() => turn.or_exit(Exit::CannotObserve)?,
        };
        for out in outputs {
            let is_enough = match out {
                pipeline::Output::Observed(Observation::Vanished { .. }) => {
                    vanished = true;
                    true
                }
                pipeline::Output::Observed(Observation::Appeared { .. }) => {
                    vanished = false;
                    false
                }
                pipeline::Output::Observed(_) => false,
                pipeline::Output::Changed(change) => {
                    if args.watch && change.diagnosis().severity >= args.report.min_severity {
                        let text = report::columns::finding(
                            change.diagnosis(),
                            pipeline.observer().epoch,
                            &output.theme(),
                        );
                        output.print(&text).or_exit(Exit::Usage)?;
                    }
                    found |= change.diagnosis().severity > Severity::Info;
                    change.diagnosis().severity >= Severity::Error
                }
            };
            if is_enough && !args.watch {
                let soon = Instant::now() + SETTLE;
                end = Some(end.map_or(soon, |end| end.min(soon)));
            }
        }
    }
    pipeline.settle().or_exit(Exit::CannotObserve)?;
    if vanished {
        tracing::info!("the container ended while it was watched");
    }
    let epoch = pipeline.observer().epoch;
    Ok(pipeline.engine().conclude(&target.id).map(|conclusion| (conclusion, epoch)))
}
