//! `cargo xtask vm`: boots kernels in QEMU and checks that gomon loads, sees and judges on each as it should.

mod acts;
mod boot;
mod btf;
mod cpio;
mod kernels;
mod page;
mod root;
mod told;
mod verdict;
mod ways;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::setup::{self, Part, kernels as images};
use crate::{cache, say, units};
pub(crate) use boot::QEMU;
pub(crate) use kernels::ORDINARY_SOURCES;
use kernels::{KERNELS, Kernel};
use page::Outcome;
use told::Told;

/// What a guest needs besides its kernel.
pub(crate) const PARTS: [Part; 4] = [Part::RustSources, Part::BpfLinker, Part::Go, Part::Guest];

/// For booting, and for each way of hooking, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(150);
const PATIENCE_A_WAY: Duration = Duration::from_mins(1);
const PAGE: &str = "docs/kernels.md";

/// Which kernels.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(crate) struct Options {
    /// This kernel; may be repeated [default: the oldest and the newest]
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// Every kernel
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
    /// Write docs/kernels.md
    #[arg(long, requires = "all")]
    write_docs: bool,
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
    let images = fetch(&chosen, options.update)?;
    let initramfs = root::make()?;
    let mut outcomes = Vec::new();
    for (kernel, image) in chosen.into_iter().zip(images) {
        let outcome = try_kernel(kernel, &image, &initramfs)?;
        for finding in outcome.faults() {
            let fault = finding.fault.as_deref().unwrap_or_default();
            say::result(format_args!("{}: {}: {fault}", kernel.name, finding.what));
        }
        outcomes.push(outcome);
    }
    say::result("");
    page::table(&outcomes).into_iter().for_each(say::result);
    if options.write_docs {
        fs::write(PAGE, page::page(&outcomes)).with_context(|| format!("cannot write {PAGE}"))?;
    }
    Ok(conclude(&outcomes))
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

fn fetch(kernels: &[&Kernel], anew: bool) -> Result<Vec<images::Image>> {
    let _lock = cache::lock()?;
    kernels.iter().map(|kernel| images::ensure(&kernel.source, anew)).collect()
}

fn try_kernel(kernel: &'static Kernel, image: &images::Image, initramfs: &Path) -> Result<Outcome> {
    say::progress(format_args!("booting {} ({})", kernel.name, image.release));
    let ways: Vec<&str> = kernel.ways(&image.release).iter().map(|way| way.name).collect();
    let parameters = format!(
        "gomon.cgroups={} gomon.ways={} {}",
        kernel.cgroups.name(),
        ways.join(","),
        kernel.parameters
    );
    let patience = PATIENCE + PATIENCE_A_WAY * u32::try_from(ways.len()).unwrap_or(u32::MAX);
    let left = boot::run(kernel.name, &image.vmlinuz, initramfs, &parameters, patience)?;
    let told = Told::parse(&left.told);
    let findings = verdict::judge(kernel, &told, left.hung);
    let outcome = Outcome {
        kernel,
        release: image.release.clone(),
        findings,
        skipped_runs: told.ways.values().map(verdict::skipped_runs).sum(),
        took: left.took,
    };
    if outcome.faults().next().is_some() {
        say::progress(format_args!("its console: {}", left.console.display()));
        for line in told.ways.values().flat_map(|heard| &heard.said) {
            say::progress(line);
        }
    }
    Ok(outcome)
}

/// The sum, in the words of Rust's test harness: `cargo xtask test` counts it.
fn conclude(outcomes: &[Outcome]) -> ExitCode {
    let all: usize = outcomes.iter().map(|outcome| outcome.findings.len()).sum();
    let failed: usize = outcomes.iter().map(|outcome| outcome.faults().count()).sum();
    let took = outcomes.iter().map(|outcome| outcome.took).sum();
    say::result(format_args!(
        "test result: {}. {} passed; {failed} failed; 0 ignored; finished in {}",
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
        Options { kernels, all, list: false, update: false, btf: false, write_docs: false }
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
