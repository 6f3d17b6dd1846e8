//! `gomon events`: what the kernel sees in containers, live.

use super::{
    exit::{Exit, Failure, OrExit},
    live::{self, Wanted},
    output::Output,
};
use crate::{
    cli::{Global, args::EventsArgs, parse::StreamFormat},
    model::{container::Identity, observation::Observation},
    pipeline::{self, Pipeline},
    report::events,
};

pub(super) fn run(args: &EventsArgs, global: Global, output: Output) -> Result<Exit, Failure> {
    live::log(global);
    live::block_on(stream(args, global, output))
}

async fn stream(args: &EventsArgs, global: Global, output: Output) -> Result<Exit, Failure> {
    let wanted = Wanted::new(args.target.as_ref(), &args.selection);
    let stopped = live::stopped();
    let observer = live::observe(&args.host, None, global)?;
    let epoch = observer.epoch;
    tracing::info!("watching; stop with Ctrl-C");
    let mut pipeline = Pipeline::new(observer);
    let stop = async {
        tokio::select! {
            () = stopped => {}
            () = live::elapsed(args.timeout) => {}
        }
    };
    tokio::pin!(stop);
    loop {
        let outputs = tokio::select! {
            () = &mut stop => return Ok(Exit::Nothing),
            turn = pipeline.turn() => turn.or_exit(Exit::CannotObserve)?,
        };
        for out in outputs {
            let pipeline::Output::Observed(observation) = out else { continue };
            match observation {
                Observation::Happened { run, event } => {
                    let case = pipeline.engine().case(&run.container);
                    let identity = case.map_or_else(Identity::default, |case| case.identity.clone());
                    if !wanted.fits(&run.container, &identity) {
                        continue;
                    }
                    let text = match args.output {
                        StreamFormat::Columns => {
                            events::line(&event, &run.container, &identity, epoch, &output.theme())
                        }
                        StreamFormat::Jsonl => {
                            let line = events::Line::new(&event, &run.container, &identity, epoch);
                            serde_json::to_string(&line).or_exit(Exit::Usage)?
                        }
                    };
                    output.print(&format!("{text}\n")).or_exit(Exit::Usage)?;
                }
                Observation::Lost { probe, count, .. } => {
                    tracing::warn!("{count} events of probe {probe} were lost: the stream has a gap");
                }
                Observation::Host { .. }
                | Observation::Appeared { .. }
                | Observation::Learned { .. }
                | Observation::Vanished { .. }
                | Observation::Tick { .. }
                | Observation::Blind { .. } => {}
            }
        }
    }
}
