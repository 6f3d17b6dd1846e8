//! `gomon doctor`: whether gomon can see on this machine, check by check, and what to do where it cannot.

mod check;
mod host;
mod kernel;
mod privileges;
#[cfg(feature = "kernel")]
mod probes;

use std::path::{Path, PathBuf};

use self::check::{Check, State};
use super::{
    exit::{Exit, Failure, OrExit},
    output::Output,
};
use crate::cli::{args::DoctorArgs, parse::AnswerFormat};

pub(super) fn run(args: &DoctorArgs, output: Output) -> Result<Exit, Failure> {
    let checks = all(args)?;
    let text = match args.output {
        AnswerFormat::Columns => check::columns(&checks, &output.theme()),
        AnswerFormat::Json => check::json(&checks),
    };
    output.print(&text).or_exit(Exit::Usage)?;
    let blind = checks.iter().any(|check| check.state == State::Missing);
    Ok(if blind { Exit::CannotObserve } else { Exit::Nothing })
}

/// Every check, whatever the others found.
fn all(args: &DoctorArgs) -> Result<Vec<Check>, Failure> {
    let root = args.host.host_root.clone().unwrap_or_else(|| PathBuf::from("/"));
    let proc = root.join("proc");
    let probes = probes(&proc)?;
    let mut checks = privileges::checks();
    checks.extend(kernel::checks(&root, is_seeing(&probes)));
    checks.extend(probes);
    checks.push(host::bundles(&root, &proc));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.or_exit(Exit::CannotObserve)?;
    checks.extend(runtime.block_on(host::sockets(args, &root)));
    Ok(checks)
}

/// A hook is on, so the kernel has accepted a program that reads its memory.
fn is_seeing(probes: &[Check]) -> bool {
    probes.iter().any(|check| check.name.starts_with(check::HOOK) && check.state == State::Ok)
}

#[cfg(feature = "kernel")]
fn probes(proc: &Path) -> Result<Vec<Check>, Failure> {
    Ok(probes::checks(proc, &super::live::choice()?))
}

#[cfg(not(feature = "kernel"))]
#[expect(clippy::unnecessary_wraps, reason = "as its twin, which may refuse a setting")]
fn probes(_proc: &Path) -> Result<Vec<Check>, Failure> {
    let found = "this gomon was built without what touches the kernel (cargo feature \"kernel\")";
    let remedy = "It can replay and explain, not observe. Use a build with the default features.";
    Ok(["cgroups", "memory-controller", "kernel-members", "kernel-programs"]
        .map(|name| Check::missing(name, found, remedy))
        .to_vec())
}
