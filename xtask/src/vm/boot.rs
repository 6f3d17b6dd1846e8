//! Boots a kernel in QEMU without hardware acceleration, and ends it when its time is over.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{cache, command, process};

/// The emulator.
pub(crate) const QEMU: &str = "qemu-system-x86_64";
const STOP: Duration = Duration::from_secs(5);
/// Emulated, so that it runs in a guest and as an ordinary user too. Without cx16=off, 6.12 double-faults at random
/// under QEMU 7.2.
const MACHINE: [&str; 12] = [
    "-accel",
    "tcg",
    "-cpu",
    "max,cx16=off",
    "-smp",
    "1",
    "-m",
    "1024",
    "-nodefaults",
    "-no-reboot",
    "-display",
    "none",
];

/// What a guest left behind.
pub(super) struct Left {
    /// The second serial port: lines of JSON.
    pub(super) told: String,
    /// The kernel's console.
    pub(super) console: PathBuf,
    /// It had to be killed.
    pub(super) hung: bool,
    pub(super) took: Duration,
}

/// What the last guest of this name left behind.
pub(super) fn last(name: &str) -> Result<Left> {
    let dir = cache::dir("vm")?;
    let told = fs::read(dir.join(format!("{name}.told")))
        .with_context(|| format!("no guest {name} has told anything yet"))?;
    Ok(Left {
        told: String::from_utf8_lossy(&told).into_owned(),
        console: dir.join(format!("{name}.console")),
        hung: false,
        took: Duration::ZERO,
    })
}

/// Runs one guest to its end.
pub(super) fn run(
    name: &str,
    vmlinuz: &Path,
    initramfs: &Path,
    parameters: &str,
    patience: Duration,
) -> Result<Left> {
    let dir = cache::dir("vm")?;
    let (console, told) = (dir.join(format!("{name}.console")), dir.join(format!("{name}.told")));
    let qemu = command::find(QEMU).with_context(|| format!("{QEMU} is not installed"))?;
    let nice = command::find("nice").context("nice is not installed")?;
    let mut guest = process::tied(&nice);
    guest.args(["-n", "10"]).arg(qemu).args(MACHINE);
    guest.arg("-kernel").arg(vmlinuz).arg("-initrd").arg(initramfs);
    guest.args(["-append", &format!("console=ttyS0 panic=-1 quiet {parameters}")]);
    for port in [&console, &told] {
        guest.arg("-serial").arg(format!("file:{}", port.display()));
    }
    let start = Instant::now();
    let mut child = guest.spawn().with_context(|| format!("cannot start {QEMU}"))?;
    let ended = process::wait_until(patience, || !matches!(child.try_wait(), Ok(None)));
    let took = start.elapsed();
    if !ended {
        process::stop(child, &format!("the guest {name}"), STOP);
    }
    let told = fs::read(&told).with_context(|| format!("the guest {name} told nothing"))?;
    Ok(Left { told: String::from_utf8_lossy(&told).into_owned(), console, hung: !ended, took })
}
