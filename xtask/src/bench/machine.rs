//! The machine that was measured: what a figure is worth nothing without.

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

/// Hardware and kernel.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cpus: usize,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    pub(super) lockdown: String,
    /// Of the last minute, when the bench ended: one busy CPU is the bench itself.
    pub(super) load: String,
    /// Tracing programs of others that were loaded before the bench or after it: what is called nothing was not nothing.
    pub(super) strangers: usize,
}

impl Machine {
    pub(super) fn read(strangers: usize) -> Result<Self> {
        let text = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        let cpuinfo = text("/proc/cpuinfo")?;
        let meminfo = text("/proc/meminfo")?;
        let lockdown = text("/sys/kernel/security/lockdown").unwrap_or_default();
        let kib = field(&meminfo, "MemTotal").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            processor: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cpus: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            memory_mib: kib.unwrap_or(0) / 1024,
            kernel: text("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            lockdown: chosen(&lockdown).unwrap_or("unknown").to_owned(),
            load: text("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
            strangers,
        })
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start().strip_prefix(':')?.trim())
}

/// `none [integrity] confidentiality`
fn chosen(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0)
}
