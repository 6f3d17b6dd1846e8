//! Project tasks: `cargo xtask setup | fixtures | test | demo | scenario | churn | soak | bench | vm | fuzz | image`.

mod agent;
mod bench;
mod cache;
mod churn;
mod command;
mod demo;
mod docker;
mod fixtures;
mod fuzz;
mod ground;
mod image;
mod kernel;
mod process;
mod say;
mod scenario;
mod setup;
mod soak;
mod test;
mod units;
mod vm;
mod workspace;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Tasks of the gomon project.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Put in place what building and testing need
    Setup,
    /// Build the Go programs and images that live tests and the demo run; prints their directory
    Fixtures,
    /// Run every test that can run here; says which could not, and why
    Test(test::Options),
    /// Break real containers in many ways and show what gomon says about each
    Demo(demo::Options),
    /// Cut one container out of a recording and keep it as a test of a pattern
    Scenario(scenario::Options),
    /// Measure: many containers that die at exec; checks that each gets its one verdict
    Churn(churn::Options),
    /// Measure: everyday Docker activity that is healthy; checks that gomon finds nothing in it
    Soak(soak::Options),
    /// Measure: what gomon costs beside nothing, beside empty programs and beside other tools
    Bench(bench::Options),
    /// The process that the bench measures
    #[command(hide = true)]
    BenchWorker(bench::WorkerArguments),
    /// Build the container image of one static program, and check it
    Image(image::Options),
    /// Boot other kernels in QEMU and check what gomon sees there
    Vm(vm::Options),
    /// Feed the readers of outside bytes with changed inputs for as long as one likes
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    run(Cli::parse().task).unwrap_or_else(|error| {
        say::error(format_args!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    // Tasks name files of the repository by their path from its root.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
    match task {
        Task::Setup => setup::run()?,
        Task::Fixtures => fixtures::run()?,
        Task::Test(options) => return test::run(&options),
        Task::Demo(options) => return demo::run(&options),
        Task::Scenario(options) => return scenario::run(&options),
        Task::Churn(options) => return churn::run(options),
        Task::Soak(options) => return soak::run(options),
        Task::Bench(options) => return bench::run(&options),
        Task::BenchWorker(arguments) => bench::work(&arguments)?,
        Task::Image(options) => image::run(&options)?,
        Task::Vm(options) => return vm::run(&options),
        Task::Fuzz(options) => return fuzz::run(&options),
    }
    Ok(ExitCode::SUCCESS)
}
