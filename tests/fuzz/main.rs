//! Feeds every reader of outside bytes with damaged, contradictory and gigantic inputs, the same ones each time: nothing
//! panics, no input costs memory without end, a refusal has a reason. `cargo xtask fuzz` does it for hours.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod memory;
mod sinks;

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use gomon::fuzzing::{Mutator, Target, feed, targets};

/// Inputs for a target that costs 1.
const INPUTS: u32 = 2500;
/// More than any honest file takes, less than a node can spare.
const MEMORY_LIMIT_BYTES: usize = 256 << 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Feeds one input; one that breaks a rule is kept, so that it can become a case of its own.
fn try_one(target: &Target, input: &[u8]) {
    let (fed, peak) = memory::peak(|| catch_unwind(AssertUnwindSafe(|| feed(target, input))));
    if fed.is_ok() && peak <= MEMORY_LIMIT_BYTES {
        return;
    }
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crashes").join(target.name);
    fs::create_dir_all(&directory).unwrap();
    let kept = directory.join(format!("{:016x}", hasher.finish()));
    fs::write(&kept, input).unwrap();
    panic!(
        "{}: an input of {} bytes took {peak} bytes or broke a rule (see above); it is kept in {}: mend the reader, then \
         move the input to tests/fuzz/crashes/{}",
        target.name,
        input.len(),
        kept.display(),
        target.name
    );
}

fn fuzz(target: &Target) {
    let seeds = target.inputs(&root());
    assert!(!seeds.is_empty(), "{} has no inputs to begin with", target.name);
    for seed in &seeds {
        try_one(target, seed);
    }
    let mut mutator = Mutator::new(0x676f_6d6f_6e00);
    let empty = Vec::new();
    for _ in 0..INPUTS.div_ceil(target.cost) {
        let seed = seeds.get(mutator.below(seeds.len())).unwrap_or(&empty);
        let other = seeds.get(mutator.below(seeds.len())).unwrap_or(&empty);
        let input = mutator.change(seed, other, &(target.hot)(seed));
        try_one(target, &input);
    }
}

/// Every other target, so that two threads share the work.
fn share(number: usize) {
    for (_, target) in targets().enumerate().filter(|(index, _)| index % 2 == number) {
        fuzz(target);
    }
}

#[test]
fn no_input_breaks_a_reader_one_half() {
    share(0);
}

#[test]
fn no_input_breaks_a_reader_other_half() {
    share(1);
}

#[test]
fn what_broke_a_reader_once_belongs_to_a_target() {
    let Ok(folders) = fs::read_dir(root().join("tests/fuzz/crashes")) else { return };
    for folder in folders {
        let name = folder.unwrap().file_name().to_string_lossy().into_owned();
        assert!(targets().any(|target| target.name == name), "there is no target {name}");
    }
}
