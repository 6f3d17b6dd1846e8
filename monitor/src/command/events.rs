//! `gomon events`: what the kernel sees in containers, live.

use std::collections::BTreeMap;

use super::{
    exit::{Exit, Failure, OrExit},
    live::{self, Wanted},
    output::Output,
};
use crate::{
    cli::{Global, args::EventsArgs, parse::StreamFormat},
    engine::Engine,
    model::{
        container::{Identity, Run},
        event::Event,
        fact::Fact,
        observation::{Loss, Observation},
        time::{BootEpoch, BootNs, SECOND},
    },
    pipeline::{self, Pipeline},
    report::events,
};

/// Events of one container that wait for its name.
const MAX_HELD: usize = 1024;
/// A name that is not known by then will not come.
const HOLD_NS: u64 = 2 * SECOND;

pub(super) fn run(args: &EventsArgs, global: Global, output: Output) -> Result<Exit, Failure> {
    live::log(global);
    live::block_on(stream(args, global, output))
}

async fn stream(args: &EventsArgs, global: Global, output: Output) -> Result<Exit, Failure> {
    let wanted = Wanted::new(args.target.as_ref(), &args.selection, &args.host);
    let stopped = live::stopped(&live::Held::hold());
    let observer = live::observe(&args.host, None, global)?;
    let mut printer =
        Printer { wanted, format: args.output, epoch: observer.epoch, output, held: BTreeMap::new() };
    tracing::info!("watching; stop with Ctrl-C");
    let mut pipeline = Pipeline::new(observer).telling_observations();
    let stop = async {
        tokio::select! {
            () = stopped => {}
            () = live::elapsed(args.timeout) => {}
        }
    };
    tokio::pin!(stop);
    loop {
        let outputs = tokio::select! {
            () = &mut stop => return printer.release_all(pipeline.engine()).map(|()| Exit::Nothing),
            turn = pipeline.turn() => turn.or_exit(Exit::CannotObserve)?,
        };
        for out in outputs {
            if let pipeline::Output::Observed(observation) = out {
                printer.take(observation, pipeline.engine())?;
            }
        }
    }
}

/// Prints events with the names of their containers. The first events of a container wait until its name is known:
/// without it nobody could say whether they are wanted.
struct Printer {
    wanted: Wanted,
    format: StreamFormat,
    epoch: BootEpoch,
    output: Output,
    held: BTreeMap<Run, Vec<Event>>,
}

impl Printer {
    fn take(&mut self, observation: Observation, engine: &Engine) -> Result<(), Failure> {
        match observation {
            Observation::Appeared { run, .. } => drop(self.held.insert(run, Vec::new())),
            Observation::Happened { run, event } => match self.held.get_mut(&run) {
                Some(held) if held.len() < MAX_HELD => held.push(event),
                Some(_) => {
                    self.release(&run, engine)?;
                    self.print(&run, &event, &identity(&run, engine))?;
                }
                None => self.print(&run, &event, &identity(&run, engine))?,
            },
            Observation::Learned { run, fact, .. } => {
                if matches!(*fact, Fact::Identity(_)) {
                    self.release(&run, engine)?;
                }
            }
            Observation::Tick { at } => self.release_older(at, engine)?,
            Observation::Lost { probe, count, reason: Loss::RingFull | Loss::Unreadable, .. } => {
                tracing::warn!("{count} events of probe {probe} were lost: the stream has a gap");
            }
            Observation::Lost { probe, count, reason: Loss::Skipped, .. } => {
                tracing::warn!(
                    "the program of probe {probe} was left out {count} times: the stream may have a gap"
                );
            }
            Observation::KeptBack { run, probe, count, .. } => {
                let container = run.container.short();
                tracing::warn!(
                    container,
                    "{count} events of probe {probe} were kept back: it makes too many"
                );
            }
            Observation::ClockSet { epoch, .. } => self.epoch = epoch,
            Observation::Host { .. }
            | Observation::Vanished { .. }
            | Observation::Slept { .. }
            | Observation::Blind { .. } => {}
        }
        Ok(())
    }

    fn release(&mut self, run: &Run, engine: &Engine) -> Result<(), Failure> {
        let Some(held) = self.held.remove(run) else { return Ok(()) };
        let identity = identity(run, engine);
        held.iter().try_for_each(|event| self.print(run, event, &identity))
    }

    fn release_older(&mut self, now: BootNs, engine: &Engine) -> Result<(), Failure> {
        let is_old = |held: &Vec<Event>| held.first().is_some_and(|first| now.since(first.at) >= HOLD_NS);
        let old: Vec<Run> =
            self.held.iter().filter(|(_, held)| is_old(held)).map(|(run, _)| run.clone()).collect();
        old.iter().try_for_each(|run| self.release(run, engine))
    }

    fn release_all(&mut self, engine: &Engine) -> Result<(), Failure> {
        let all: Vec<Run> = self.held.keys().cloned().collect();
        all.iter().try_for_each(|run| self.release(run, engine))
    }

    fn print(&self, run: &Run, event: &Event, identity: &Identity) -> Result<(), Failure> {
        if !self.wanted.fits(&run.container, identity) {
            return Ok(());
        }
        let text = match self.format {
            StreamFormat::Columns => {
                events::line(event, &run.container, identity, self.epoch, &self.output.theme())
            }
            StreamFormat::Jsonl => {
                let line = events::Line::new(event, &run.container, identity, self.epoch);
                serde_json::to_string(&line).or_exit(Exit::Usage)?
            }
        };
        self.output.print(&format!("{text}\n")).or_exit(Exit::Usage)
    }
}

fn identity(run: &Run, engine: &Engine) -> Identity {
    engine.case(&run.container).map(|case| case.identity.clone()).unwrap_or_default()
}
