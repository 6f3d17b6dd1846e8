//! `gomon replay`: the diagnoses of a recording, the same everywhere.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use anyhow::Context;

use super::{
    conclusions,
    exit::{Exit, Failure, OrExit},
    output::Output,
};
use crate::{
    cli::args::ReplayArgs,
    engine::Engine,
    model::{container::Identity, observation::Observation},
    recording::{Reader, RecordingError},
};

pub(super) fn run(args: &ReplayArgs, output: Output) -> Result<Exit, Failure> {
    let mut reader = open(&args.file)?;
    let mut epoch = reader.header.boot_epoch;
    let mut engine = Engine::new();
    let mut fault = None;
    for item in &mut reader {
        match item {
            Ok(observation) => {
                if let Observation::ClockSet { epoch: set, .. } = &observation {
                    epoch = *set;
                }
                drop(engine.observe(&observation));
            }
            Err(error) => fault = Some(error),
        }
    }
    engine.settle();
    let selected = |identity: &Identity| {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let selection = &args.selection;
        is(&selection.namespace, &identity.namespace)
            && is(&selection.pod, &identity.pod)
            && is(&selection.container, &identity.name)
    };
    let conclusions = engine
        .containers()
        .into_iter()
        .filter_map(|container| engine.conclude(container))
        .filter(|conclusion| selected(&conclusion.identity))
        .collect();
    let exit = conclusions::print(conclusions, &args.report, epoch, output)?;
    match fault {
        None => Ok(exit),
        // What stands before the cut was told; the answer is not whole.
        Some(error) => Err(Failure::new(
            match error {
                RecordingError::Truncated { .. } | RecordingError::Count { .. } => Exit::Inconclusive,
                RecordingError::Read { .. }
                | RecordingError::NoHeader(_)
                | RecordingError::Version { .. }
                | RecordingError::Malformed { .. } => Exit::Usage,
            },
            anyhow::Error::new(error)
                .context(format!("{}: the answer above is not whole", args.file.display())),
        )),
    }
}

fn open(path: &Path) -> Result<Reader<Box<dyn BufRead>>, Failure> {
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(path).with_context(|| format!("cannot open the recording {}", path.display()));
        Box::new(BufReader::new(file.or_exit(Exit::NotFound)?))
    };
    Reader::open(input).with_context(|| format!("{} cannot be replayed", path.display())).or_exit(Exit::Usage)
}
