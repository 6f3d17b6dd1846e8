//! The long run of a fuzz target: changes inputs for as long as it is told, and keeps those that reach code which no other
//! reached. `cargo xtask fuzz` builds and starts it; docs/fuzzing.md tells how to read what it says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool of developers, which ends at the first surprise"
)]

#[path = "long/coverage.rs"]
mod coverage;
#[path = "memory.rs"]
mod memory;
#[path = "long/watch.rs"]
mod watch;

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use coverage::Coverage;
use gomon::fuzzing::{Mutator, Target, feed, targets};
use watch::Watch;

/// As in the bounded run.
const MEMORY_LIMIT_BYTES: usize = 256 << 20;
/// An input that takes longer is written down as one that breaks a rule.
const SLOW: Duration = Duration::from_secs(20);
/// Inputs that are kept.
const CORPUS: usize = 20_000;
const TELL_EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let (Some(name), Some(seconds), Some(root), Some(out)) =
        (args.next(), args.next(), args.next(), args.next())
    else {
        println!("fuzz TARGET SECONDS REPOSITORY DIRECTORY; targets:");
        for target in targets() {
            println!("  {:18} {}", target.name, target.reads);
        }
        return ExitCode::from(2);
    };
    let seconds = Duration::from_secs(seconds.parse().unwrap());
    let chosen: Vec<&Target> = targets().filter(|target| name == "all" || target.name == name).collect();
    if chosen.is_empty() {
        println!("there is no target {name}; without arguments this tells all of them");
        return ExitCode::from(2);
    }
    // A panic is an answer here, and is told with its input.
    set_hook(Box::new(|panic| println!("{panic}")));
    let mut broken = 0;
    for target in chosen {
        broken += Run::new(target, Path::new(&root), &Path::new(&out).join(target.name)).explore(seconds);
    }
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An input that reached something new.
struct Kept {
    bytes: Vec<u8>,
    hot: Vec<Range<usize>>,
}

struct Run {
    target: &'static Target,
    corpus: Vec<Kept>,
    coverage: Coverage,
    mutator: Mutator,
    watch: Watch,
    out: PathBuf,
    fed: u64,
    broken: u32,
}

impl Run {
    fn new(target: &'static Target, root: &Path, out: &Path) -> Self {
        fs::create_dir_all(out.join("crashes")).unwrap();
        fs::create_dir_all(out.join("corpus")).unwrap();
        let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_nanos());
        let mut run = Self {
            target,
            corpus: Vec::new(),
            coverage: Coverage::new(),
            mutator: Mutator::new(u64::from(seed) ^ u64::from(std::process::id()) << 32),
            watch: Watch::start(target.name, &out.join("last")),
            out: out.to_owned(),
            fed: 0,
            broken: 0,
        };
        let mut seeds = target.inputs(root);
        seeds.extend(target.of_machine());
        // What an earlier run has found.
        seeds.extend(
            fs::read_dir(out.join("corpus")).unwrap().flatten().filter_map(|e| fs::read(e.path()).ok()),
        );
        seeds.push(Vec::new());
        for seed in seeds {
            run.once(seed, true);
        }
        run
    }

    /// Goes on for so long; how many inputs broke a rule.
    fn explore(mut self, time: Duration) -> u32 {
        let (started, mut told) = (Instant::now(), Instant::now());
        while started.elapsed() < time {
            let (one, other) = (self.pick(), self.mutator.below(self.corpus.len()));
            let (one, other) = (&self.corpus[one], &self.corpus[other]);
            let mut input = self.mutator.change(&one.bytes, &other.bytes, &one.hot);
            if self.mutator.below(3) == 0 {
                let choice = self.mutator.below(usize::MAX);
                coverage::aim(&mut input, choice);
            }
            self.once(input, false);
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                self.tell("");
            }
        }
        self.tell("done: ");
        self.broken
    }

    /// Mostly one of the latest: what is new leads to what is newer.
    fn pick(&mut self) -> usize {
        let (count, first) = (self.corpus.len(), self.mutator.below(2) == 0);
        let recent = if first { count.min(32) } else { count };
        count - 1 - self.mutator.below(recent)
    }

    fn once(&mut self, input: Vec<u8>, is_seed: bool) {
        self.watch.begin(&input);
        coverage::reset();
        let started = Instant::now();
        let target = self.target;
        let (fed, peak) = memory::peak(|| catch_unwind(AssertUnwindSafe(|| feed(target, &input))));
        let took = started.elapsed();
        self.watch.end();
        self.fed += 1;
        let is_new = self.coverage.learn();
        if fed.is_err() || peak > MEMORY_LIMIT_BYTES || took > SLOW {
            self.broken += 1;
            let kept = self.keep("crashes", &input);
            println!("BROKEN {}: {peak} bytes, {took:?}: {}", target.name, kept.display());
        } else if (is_new || is_seed) && self.corpus.len() < CORPUS {
            if is_new && !is_seed {
                self.keep("corpus", &input);
            }
            self.corpus.push(Kept { hot: (target.hot)(&input), bytes: input });
        }
    }

    fn keep(&self, folder: &str, input: &[u8]) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        input.hash(&mut hasher);
        let path = self.out.join(folder).join(format!("{:016x}", hasher.finish()));
        fs::write(&path, input).unwrap();
        path
    }

    fn tell(&self, what: &str) {
        let Self { target, corpus, fed, broken, .. } = self;
        let (reached, all) = self.coverage.reached();
        let of = if all == 0 {
            "no coverage: built without instrumentation".to_owned()
        } else {
            format!("{reached} of {all} branches")
        };
        println!("{what}{}: {fed} inputs, {} kept, {of}, {broken} broken", target.name, corpus.len());
    }
}
