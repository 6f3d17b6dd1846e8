//! Puts in place what building and testing need, and says precisely what could not be put in place.

pub(crate) mod apt;
mod bpf_linker;
mod checkers;
mod collector;
pub(crate) mod go;
pub(crate) mod kernels;
mod kubernetes;
mod packages;
pub(crate) mod peers;
mod prometheus;
mod promtool;
mod rust_src;
mod tracefs;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{cache, command, say};

/// Something that has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The standard library's sources, which the kernel programs are built with.
    RustSources,
    BpfLinker,
    /// A Docker daemon that answers, or the programs to start one.
    Docker,
    /// The other runtimes that live tests run containers with.
    Runtimes,
    /// What compiles the fixtures and assembles their images.
    ImageTools,
    Go,
    Tracefs,
    /// Checks metrics and alert rules.
    Promtool,
    /// Prometheus and Alertmanager, which a live test lets watch an agent.
    Prometheus,
    /// A collector of OpenTelemetry, which a live test sends diagnoses to.
    Collector,
    /// helm and kubectl, which render the manifests.
    Kubernetes,
    /// A headless Chromium, which shows reports and pages.
    Browser,
    /// What others check manifests and the list of the image's parts with.
    Checkers,
    /// What boots other kernels, and what their guests are made of.
    Guest,
    /// The kernels that guests run by default.
    Kernels,
}

/// Whether a part can be used, and if not, what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Missing { why: String, remedy: String },
}

impl Part {
    pub(crate) const ALL: [Self; 15] = [
        Self::RustSources,
        Self::BpfLinker,
        Self::Docker,
        Self::Runtimes,
        Self::ImageTools,
        Self::Go,
        Self::Tracefs,
        Self::Promtool,
        Self::Prometheus,
        Self::Collector,
        Self::Kubernetes,
        Self::Browser,
        Self::Checkers,
        Self::Guest,
        Self::Kernels,
    ];
    /// What building the kernel programs takes.
    pub(crate) const KERNEL_BUILD: [Self; 2] = [Self::RustSources, Self::BpfLinker];
    /// What running fixture containers takes.
    pub(crate) const CONTAINERS: [Self; 3] = [Self::Docker, Self::ImageTools, Self::Go];

    fn remedy(self) -> String {
        match self {
            Self::RustSources => rust_src::remedy(),
            Self::BpfLinker => bpf_linker::remedy(),
            Self::Docker => {
                "install Docker and start it, or run as root so that it can be started".to_owned()
            }
            Self::Runtimes => {
                format!("as root, with these packages: {}", packages::RUNTIMES_PACKAGES.join(" "))
            }
            Self::ImageTools => {
                format!("as root, with these packages: {}", packages::IMAGE_TOOLS_PACKAGES.join(" "))
            }
            Self::Go => "install Go 1.25 or newer, or python3 with pip".to_owned(),
            Self::Tracefs => "as root: mount -t tracefs nodev /sys/kernel/tracing".to_owned(),
            Self::Promtool => "put promtool (from Prometheus) on PATH".to_owned(),
            Self::Prometheus => "put prometheus and prometheus-alertmanager on PATH".to_owned(),
            Self::Collector => "install python3 with pip, or put rotel-agent on PATH".to_owned(),
            Self::Kubernetes => "put helm and kubectl on PATH".to_owned(),
            Self::Checkers => "install python3 with venv and pip".to_owned(),
            Self::Browser => {
                format!("as root, with these packages: {}", packages::BROWSER_PACKAGES.join(" "))
            }
            Self::Guest => format!("as root, with these packages: {}", packages::GUEST_PACKAGES.join(" ")),
            Self::Kernels => "apt sources with a Debian mirror that is reachable".to_owned(),
        }
    }

    fn put_in_place(self) -> Result<()> {
        match self {
            Self::RustSources => rust_src::ensure(),
            Self::BpfLinker => bpf_linker::ensure(),
            Self::Docker => packages::docker(),
            Self::Runtimes => packages::runtimes(),
            Self::ImageTools => packages::image_tools(),
            Self::Go => go::ensure().map(drop),
            Self::Tracefs => tracefs::ensure(),
            Self::Promtool => promtool::ensure().map(drop),
            Self::Prometheus => prometheus::ensure(),
            Self::Collector => collector::ensure(),
            Self::Kubernetes => kubernetes::ensure(),
            Self::Checkers => checkers::ensure(),
            Self::Browser => packages::browser(),
            Self::Guest => packages::guest(),
            Self::Kernels => kernels::ordinary(),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RustSources => "rust-src",
            Self::BpfLinker => "bpf-linker",
            Self::Docker => "docker",
            Self::Runtimes => "runtimes",
            Self::ImageTools => "image tools",
            Self::Go => "go",
            Self::Tracefs => "tracefs",
            Self::Promtool => "promtool",
            Self::Prometheus => "prometheus",
            Self::Collector => "collector",
            Self::Kubernetes => "kubernetes tools",
            Self::Checkers => "checkers",
            Self::Browser => "browser",
            Self::Guest => "guest tools",
            Self::Kernels => "kernels",
        })
    }
}

/// Puts every part in place that is not; never fails as a whole.
pub(crate) fn ensure(parts: &[Part]) -> Result<Vec<(Part, State)>> {
    let _lock = cache::lock()?;
    let state = |part: Part| match part.put_in_place() {
        Ok(()) => State::Ready,
        Err(error) => State::Missing { why: format!("{error:#}"), remedy: part.remedy() },
    };
    Ok(parts.iter().map(|part| (*part, state(*part))).collect())
}

/// Puts all of the parts in place or fails with what is missing.
pub(crate) fn require(parts: &[Part]) -> Result<()> {
    let missing: Vec<String> =
        ensure(parts)?.iter().filter_map(|(part, state)| complaint(*part, state)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("not everything is in place:\n{}", missing.join("\n"))
}

fn complaint(part: Part, state: &State) -> Option<String> {
    match state {
        State::Ready => None,
        State::Missing { why, remedy } => Some(format!("  {part}: {why}\n    remedy: {remedy}")),
    }
}

/// A PATH on which child processes find what was put into the cache.
pub(crate) fn path() -> Result<std::ffi::OsString> {
    let dirs: Vec<PathBuf> = promtool::dir().into_iter().collect();
    command::path_with(&dirs)
}

/// `cargo xtask setup`.
pub(crate) fn run() -> Result<()> {
    require(&Part::ALL)?;
    say::result("everything is in place");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_reported_with_its_remedy() {
        let state = State::Missing { why: "no apt-get".to_owned(), remedy: Part::Tracefs.remedy() };
        let text = complaint(Part::Tracefs, &state).unwrap();
        assert!(text.contains("tracefs: no apt-get") && text.contains("mount -t tracefs"), "{text}");
        assert_eq!(complaint(Part::Go, &State::Ready), None);
    }
}
