//! `gomon record`: writes everything that a diagnosis could rest on to a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context;

use super::{
    exit::{Exit, Failure, OrExit},
    live,
    version::BUILD,
};
use crate::{
    cli::{Global, args::RecordArgs},
    pipeline::Pipeline,
    recording::Recorder,
};

pub(super) fn run(args: &RecordArgs, global: Global) -> Result<Exit, Failure> {
    live::log(global);
    live::block_on(record(args, global))
}

async fn record(args: &RecordArgs, global: Global) -> Result<Exit, Failure> {
    let only = match &args.target {
        None => None,
        Some(target) => {
            let host = live::host(&args.host)?;
            Some(live::find(&host, &args.host, Some(target), &args.selection).await?.id)
        }
    };
    let file = open(&args.output)?;
    let stopped = live::stopped(&live::Held::hold());
    let observer = live::observe(&args.host, only, global)?;
    let write_failed =
        || format!("cannot write {}: free some space, or choose another file", args.output.display());
    let recorder = Recorder::start(file, BUILD.version, observer.epoch)
        .with_context(write_failed)
        .or_exit(Exit::Usage)?;
    let mut pipeline = Pipeline::new(observer).recording(recorder);
    tracing::info!("recording to {}; stop with Ctrl-C", args.output.display());
    let stop = async {
        tokio::select! {
            () = stopped => {}
            () = live::elapsed(args.timeout) => {}
        }
    };
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            turn = pipeline.turn() => drop(turn.with_context(write_failed).or_exit(Exit::Usage)?),
        }
    }
    // What happened before the end is still in the rings.
    drop(pipeline.turn().await.with_context(write_failed).or_exit(Exit::Usage)?);
    drop(pipeline.settle().with_context(write_failed).or_exit(Exit::Usage)?);
    let observations = pipeline.finish().with_context(write_failed).or_exit(Exit::Usage)?.unwrap_or(0);
    tracing::info!("{observations} observations in {}", args.output.display());
    Ok(Exit::Nothing)
}

fn open(path: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    let file = File::create(path)
        .with_context(|| format!("cannot create {}", path.display()))
        .or_exit(Exit::Usage)?;
    Ok(Box::new(BufWriter::new(file)))
}
