//! `cargo xtask vm`: boots kernels in QEMU and checks that gomon loads, sees and judges on each as it should.

mod acts;
mod boot;
mod btf;
mod cpio;
mod kernels;
mod page;
mod root;
mod table;
mod told;
mod verdict;
mod ways;

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Part, kernels as images};
use crate::{cache, say, units};
pub(crate) use boot::QEMU;
pub(crate) use kernels::ORDINARY_SOURCES;
use kernels::{KERNELS, Kernel};
use page::Outcome;
use told::Told;
use ways::Extent;

/// What a guest needs besides its kernel.
pub(crate) const PARTS: [Part; 4] = [Part::RustSources, Part::BpfLinker, Part::Go, Part::Guest];

/// For booting, and for each way of hooking, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(3);
const PATIENCE_A_WAY: Duration = Duration::from_mins(3);
const PAGE: &str = "docs/kernels.md";

/// Which kernels.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(crate) struct Options {
    /// This kernel, hooked in every way; may be repeated [default: the oldest and the newest, in two ways]
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// Every kernel, hooked in every way
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    /// List the kernels and boot none
    #[arg(long)]
    list: bool,
    /// Look for newer kernels than those in the cache
    #[arg(long)]
    update: bool,
    /// Boot none: look for every member that gomon reads in what the kernels in the cache say of themselves
    #[arg(long, conflicts_with_all = ["kernels", "all", "update"])]
    btf: bool,
    /// Boot none: judge what the guests told when they ran last
    #[arg(long, conflicts_with_all = ["update", "btf"])]
    told: bool,
    /// Write docs/kernels.md
    #[arg(long, requires = "all")]
    write_docs: bool,
}

impl Options {
    fn extent(&self) -> Extent {
        if self.all || !self.kernels.is_empty() { Extent::All } else { Extent::Ordinary }
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for kernel in KERNELS {
            say::result(format_args!("{:<14} {}", kernel.name, kernel.about));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if options.btf {
        return btf::check(KERNELS);
    }
    let chosen = choose(options)?;
    setup::require(&PARTS)?;
    let (kernels, absent) = fetch(chosen, options.update)?;
    if kernels.is_empty() {
        bail!("no kernel to boot: {}", absent.join("; "));
    }
    let boot: Boot = if options.told {
        Box::new(|name, _, _, _| boot::last(name))
    } else {
        let initramfs = root::make()?;
        Box::new(move |name, image, parameters, patience| {
            say::progress(format_args!("booting {name} ({})", image.release));
            boot::run(name, &image.vmlinuz, &initramfs, parameters, patience)
        })
    };
    let outcomes = try_all(&kernels, &boot, options.extent())?;
    say::result("");
    page::table(&outcomes).into_iter().for_each(say::result);
    absent.iter().for_each(say::warning);
    if options.write_docs && absent.is_empty() {
        fs::write(PAGE, page::page(&outcomes)).with_context(|| format!("cannot write {PAGE}"))?;
    }
    Ok(conclude(&outcomes, absent.len()))
}

fn choose(options: &Options) -> Result<Vec<&'static Kernel>> {
    if options.all {
        return Ok(KERNELS.iter().collect());
    }
    if options.kernels.is_empty() {
        return Ok(KERNELS.iter().filter(|kernel| kernel.is_ordinary()).collect());
    }
    let named = |name: &String| {
        KERNELS.iter().find(|kernel| kernel.name == name).with_context(|| {
            let names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
            format!("no kernel is called {name:?}; there are: {}", names.join(", "))
        })
    };
    options.kernels.iter().map(named).collect()
}

type Fetched = Vec<(&'static Kernel, images::Image)>;

/// The kernels with their images, and why others are not to be had.
fn fetch(kernels: Vec<&'static Kernel>, anew: bool) -> Result<(Fetched, Vec<String>)> {
    let _lock = cache::lock()?;
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for kernel in kernels {
        match images::ensure(&kernel.source, anew) {
            Ok(image) => found.push((kernel, image)),
            Err(error) => absent.push(format!("{} is skipped: {error:#}", kernel.name)),
        }
    }
    Ok((found, absent))
}

/// Lets the guest of that name tell, in the kernel, with these parameters, for so long at most.
type Boot = Box<dyn Fn(&str, &images::Image, &str, Duration) -> Result<boot::Left> + Sync>;

/// Guests at a time. Each takes one processor and a gibibyte of memory.
const AT_ONCE: usize = 2;

/// The outcomes in the order of the kernels.
fn try_all(kernels: &Fetched, boot: &Boot, extent: Extent) -> Result<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<Vec<(usize, Outcome)>> {
        let mut outcomes = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((kernel, image)) = kernels.get(at) else { return Ok(outcomes) };
            outcomes.push((at, try_kernel(kernel, image, boot, extent)?));
        }
    };
    let places = thread::available_parallelism().map_or(1, usize::from).min(AT_ONCE);
    // A guest ends with the thread that started it: each thread stays until its guests have ended.
    let all = thread::scope(|scope| {
        let workers: Vec<_> = (0..places).map(|_| scope.spawn(worker)).collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|done| done.unwrap_or_else(|_| bail!("a guest's thread panicked")))
            .collect::<Result<Vec<_>>>()
    });
    let mut outcomes: Vec<(usize, Outcome)> = all?.into_iter().flatten().collect();
    outcomes.sort_by_key(|(at, _)| *at);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn try_kernel(
    kernel: &'static Kernel,
    image: &images::Image,
    boot: &Boot,
    extent: Extent,
) -> Result<Outcome> {
    let ways = kernel.ways(&image.release, extent);
    let names: Vec<&str> = ways.iter().map(|way| way.name).collect();
    let parameters = format!(
        "gomon.cgroups={} gomon.ways={} {}",
        kernel.cgroups.name(),
        names.join(","),
        kernel.parameters
    );
    let patience = PATIENCE + PATIENCE_A_WAY * u32::try_from(ways.len()).unwrap_or(u32::MAX);
    let left = boot(kernel.name, image, &parameters, patience)?;
    let told = Told::parse(&left.told);
    let outcome = Outcome {
        kernel,
        release: image.release.clone(),
        findings: verdict::judge(kernel, &ways, &told, left.hung),
        ways,
        skipped_runs: told.ways.values().map(|heard| heard.skipped).sum(),
        repeats: told.ways.values().map(verdict::repeats).sum(),
        took: left.took,
    };
    for finding in outcome.faults() {
        let fault = finding.fault.as_deref().unwrap_or_default();
        say::result(format_args!("{}: {}: {fault}", kernel.name, finding.what));
    }
    if outcome.faults().next().is_some() {
        say::progress(format_args!("its console: {}", left.console.display()));
        for line in told.ways.values().flat_map(|heard| &heard.said) {
            say::progress(line);
        }
    }
    Ok(outcome)
}

/// The sum, in the words of Rust's test harness: `cargo xtask test` counts it.
fn conclude(outcomes: &[Outcome], absent: usize) -> ExitCode {
    let all: usize = outcomes.iter().map(|outcome| outcome.findings.len()).sum();
    let failed: usize = outcomes.iter().map(|outcome| outcome.faults().count()).sum();
    let took = outcomes.iter().map(|outcome| outcome.took).sum();
    say::result(format_args!(
        "test result: {}. {} passed; {failed} failed; {absent} ignored; finished in {}",
        if failed == 0 { "ok" } else { "FAILED" },
        all - failed,
        units::seconds(took)
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kernels: &[&str], all: bool) -> Options {
        let kernels = kernels.iter().map(|&name| name.to_owned()).collect();
        Options { kernels, all, list: false, update: false, btf: false, told: false, write_docs: false }
    }

    #[test]
    fn kernels_are_chosen_by_name() {
        let names = |options: &Options| -> Vec<&str> {
            choose(options).unwrap().iter().map(|kernel| kernel.name).collect()
        };
        assert_eq!(names(&options(&[], false)).len(), 2);
        assert_eq!(names(&options(&["6.1-v1"], false)), ["6.1-v1"]);
        assert_eq!(names(&options(&[], true)).len(), KERNELS.len());
        let error = choose(&options(&["6.2"], false)).err().unwrap().to_string();
        assert!(error.contains("6.2") && error.contains("6.12-rt"), "{error}");
    }
}
