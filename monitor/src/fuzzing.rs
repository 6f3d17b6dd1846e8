//! Everything that gomon reads from outside as functions of bytes, for tests that feed them whatever there is.
//! Built with the feature `fuzzing` alone; docs/fuzzing.md says how to run it.

mod hostile;
mod kept;
mod mutate;
mod outside;
mod pure;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use hostile::hostile;
pub use mutate::Mutator;

use crate::{inspect, runtime};

/// What a reader made of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What it understood, as text.
    Value(String),
    /// It did not understand it, and says why.
    Refused(String),
    /// An honest "none": no script, no name, no such entry.
    Nothing,
}

impl Told {
    /// An answer as it is.
    pub(crate) fn value(value: &impl std::fmt::Debug) -> Self {
        Self::Value(format!("{value:?}"))
    }

    pub(crate) fn option<T: std::fmt::Debug>(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, |value| Self::value(&value))
    }

    pub(crate) fn result<T: std::fmt::Debug>(result: Result<T, impl std::fmt::Display>) -> Self {
        match result {
            Ok(value) => Self::value(&value),
            Err(error) => Self::Refused(error.to_string()),
        }
    }

    pub(crate) fn known<T: std::fmt::Debug>(known: &crate::model::fact::Known<T>) -> Self {
        match known {
            crate::model::fact::Known::Is(value) => Self::value(value),
            crate::model::fact::Known::Unknown(reason) => Self::Refused(reason.clone()),
        }
    }
}

/// Where inputs to begin with come from.
#[derive(Debug, Clone, Copy)]
pub enum Seed {
    Text(&'static str),
    Bytes(&'static [u8]),
    /// A file of the repository.
    File(&'static str),
    /// A file of the machine, which is another elsewhere: for long runs.
    Machine(&'static str),
    /// Files of a folder and its folders, with this ending.
    Folder(&'static str, &'static str),
}

/// Bytes of one input to begin with: a larger file is passed over.
const SEED_LIMIT_BYTES: u64 = 512 << 10;
/// Files of one folder: of more, some from everywhere.
const SEED_LIMIT: usize = 64;

/// A reader of bytes from outside.
pub struct Target {
    /// For command lines and names of folders.
    pub name: &'static str,
    /// What it reads.
    pub reads: &'static str,
    pub seeds: &'static [Seed],
    pub run: fn(&[u8]) -> Told,
    /// The parts of an input that decide most, as offsets: where they are known, half of all changes go there.
    pub hot: fn(&[u8]) -> Vec<std::ops::Range<usize>>,
    /// How much one input costs, beside the cheapest.
    pub cost: u32,
}

impl Target {
    pub(crate) const fn new(
        name: &'static str,
        reads: &'static str,
        seeds: &'static [Seed],
        run: fn(&[u8]) -> Told,
    ) -> Self {
        Self { name, reads, seeds, run, hot: |_| Vec::new(), cost: 1 }
    }

    pub(crate) const fn costing(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    pub(crate) const fn hot(self, hot: fn(&[u8]) -> Vec<std::ops::Range<usize>>) -> Self {
        Self { hot, ..self }
    }

    /// All inputs to begin with that are the same on each machine. `root` is the repository; what made it fail once is in
    /// its `tests/fuzz/crashes`.
    #[must_use]
    pub fn inputs(&self, root: &Path) -> Vec<Vec<u8>> {
        let mut inputs = Vec::new();
        for seed in self.seeds {
            match seed {
                Seed::Text(text) => inputs.push(text.as_bytes().to_vec()),
                Seed::Bytes(bytes) => inputs.push(bytes.to_vec()),
                Seed::File(path) => inputs.extend(read(&root.join(path))),
                Seed::Machine(_) => {}
                Seed::Folder(path, ending) => inputs.extend(folder(&root.join(path), ending)),
            }
        }
        inputs.extend(folder(&root.join("tests/fuzz/crashes").join(self.name), ""));
        inputs
    }

    /// Inputs of this machine.
    #[must_use]
    pub fn of_machine(&self) -> Vec<Vec<u8>> {
        let path = |seed: Seed| match seed {
            Seed::Machine(path) => Some(Path::new(path)),
            Seed::Text(_) | Seed::Bytes(_) | Seed::File(_) | Seed::Folder(..) => None,
        };
        self.seeds.iter().copied().filter_map(path).filter_map(read).collect()
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let is_small = fs::metadata(path).ok()?.len() <= SEED_LIMIT_BYTES;
    is_small.then(|| fs::read(path).ok()).flatten()
}

fn folder(path: &Path, ending: &str) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    below(path, &mut paths);
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    let step = paths.len().div_ceil(SEED_LIMIT).max(1);
    paths.iter().step_by(step).filter_map(|path| read(path)).collect()
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

/// All of them.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    let tables = [pure::TARGETS, outside::TARGETS, kept::TARGETS, runtime::FUZZED, inspect::fuzzing::TARGETS];
    tables.into_iter().flatten()
}

/// The most that an answer may be larger than its input: names, escapes and repeated strings.
const GROWTH: usize = 64;
/// And what an answer to a small input may have.
const LEAST_BYTES: usize = 4 << 20;

/// Feeds one input to a target and looks at the answer: a refusal has a reason, and nothing grows without end.
///
/// # Panics
/// Where the target does, or its answer breaks a rule.
pub fn feed(target: &Target, input: &[u8]) -> Told {
    let told = (target.run)(input);
    match &told {
        Told::Refused(reason) => {
            assert!(!reason.trim().is_empty(), "{}: refused without a reason", target.name);
        }
        Told::Value(text) => {
            let limit = LEAST_BYTES + GROWTH * input.len();
            assert!(text.len() <= limit, "{}: {} bytes became {}", target.name, input.len(), text.len());
        }
        Told::Nothing => {}
    }
    told
}
