//! The rings of tests, from the quickest to the one that needs a real kernel and real containers.

use std::process::Command;

use super::needs::Need;
use crate::setup::Part;
use crate::workspace::{self, Workspace};

/// One group of tests with the same needs.
pub(super) struct Ring {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) needs: &'static [Need],
    /// A few tests that fail run once more, alone, and are told of: they share their machine with all that runs on it.
    pub(super) second_chance: bool,
    /// The commands, or why there is nothing to run.
    pub(super) steps: fn(&Workspace, Extent) -> Result<Vec<Command>, String>,
}

/// How much of a ring that has more than is wanted every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Ordinary,
    All,
}

/// Live tests each watch the whole machine: more at a time only slow each other down.
const LIVE_THREADS: &str = "--test-threads=2";
/// The same ones wherever gomon is built with its kernel side: with others all of it would be built anew.
const FEATURES: &str = "--features=monitor/live-tests,monitor/fuzzing";
/// Those that take the whole machine: one at a time, and not beside the others.
const STORMS: &str = "storms::";
/// Those that need the image.
const IMAGE: &str = "manifests::image::";
const LIVE: [&str; 7] = ["test", "--package", "monitor", FEATURES, "--test", "live", "--"];

pub(super) const RINGS: &[Ring] = &[
    Ring {
        name: "format",
        about: "the sources are formatted",
        needs: &[],
        second_chance: false,
        steps: |_, _| Ok(vec![cargo(["fmt", "--all", "--check"])]),
    },
    Ring {
        name: "lint",
        about: "clippy finds nothing in user space, with and without the kernel side",
        needs: &[Need::KernelBuild],
        second_chance: false,
        steps: |_, _| Ok(lints()),
    },
    Ring {
        name: "lint-kernel",
        about: "clippy finds nothing in the kernel programs",
        needs: &[Need::Part(Part::RustSources)],
        second_chance: false,
        steps: |_, _| Ok(vec![kernel_lint()]),
    },
    Ring {
        name: "unit",
        about: "unit tests of the libraries and of the project tasks",
        needs: &[Need::KernelBuild],
        second_chance: false,
        steps: |_, _| Ok(vec![unit_tests()]),
    },
    Ring {
        name: "core",
        about: "the pure core builds and passes its tests without the kernel side",
        needs: &[],
        second_chance: false,
        steps: |_, _| {
            Ok(vec![cargo(["test", "--package", "monitor", "--no-default-features", "--no-fail-fast"])])
        },
    },
    Ring {
        name: "catalogue",
        about: "scenarios, command line and structure: all that needs no privileges",
        needs: &[
            Need::KernelBuild,
            Need::Wish(Part::Promtool),
            Need::Wish(Part::Browser),
            Need::Wish(Part::Kubernetes),
            Need::Wish(Part::Checkers),
        ],
        second_chance: false,
        steps: catalogue,
    },
    Ring {
        name: "live",
        about: "a real kernel, real containers, real Go programs",
        needs: &[
            Need::Root,
            Need::Bpf,
            Need::Part(Part::RustSources),
            Need::Part(Part::BpfLinker),
            Need::Part(Part::Tracefs),
            Need::Wish(Part::Runtimes),
            Need::Wish(Part::Promtool),
            Need::Wish(Part::Prometheus),
            Need::Wish(Part::Collector),
            Need::Containers,
        ],
        second_chance: true,
        steps: live,
    },
    Ring {
        name: "image",
        about: "the container image is made, and does its work where the manifest puts it",
        needs: &[
            Need::Root,
            Need::Bpf,
            Need::Part(Part::RustSources),
            Need::Part(Part::BpfLinker),
            Need::Part(Part::Tracefs),
            Need::Wish(Part::Runtimes),
            Need::Wish(Part::Checkers),
            Need::Containers,
        ],
        second_chance: false,
        steps: image,
    },
    Ring {
        name: "vm",
        about: "other kernels, in QEMU: the oldest and the newest, with --all every one",
        needs: &[
            Need::Part(Part::RustSources),
            Need::Part(Part::BpfLinker),
            Need::Part(Part::Go),
            Need::Part(Part::Guest),
            Need::Part(Part::Kernels),
        ],
        second_chance: false,
        steps: vm,
    },
    Ring {
        name: "deny",
        about: "licences, sources and duplicates of the dependencies",
        needs: &[
            Need::File("deny.toml"),
            Need::Program { name: "cargo-deny", remedy: "cargo install --locked cargo-deny" },
        ],
        // Advisories change under a tree that does not, and need the network.
        second_chance: false,
        steps: |_, _| Ok(vec![cargo(["deny", "--offline", "check", "bans", "licenses", "sources"])]),
    },
];

fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(args);
    cargo
}

fn lints() -> Vec<Command> {
    let all =
        ["clippy", "--workspace", "--exclude=monitor-ebpf", "--all-targets", FEATURES, "--", "-Dwarnings"];
    let core =
        ["clippy", "--package", "monitor", "--no-default-features", "--all-targets", "--", "-D", "warnings"];
    vec![cargo(all), cargo(core)]
}

/// Without linking, so that no bpf-linker is needed.
fn kernel_lint() -> Command {
    let mut clippy = cargo(["clippy", "--package", "monitor-ebpf", "--target", "bpfel-unknown-none"]);
    // A stable compiler builds `core` only when told that it is bootstrapping.
    clippy.env("CARGO_ENCODED_RUSTFLAGS", format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH));
    clippy.env("RUSTC_BOOTSTRAP", "1").args(["-Z", "build-std=core", "--", "-D", "warnings"]);
    clippy
}

fn unit_tests() -> Command {
    let mut test = cargo(["test", "--lib", "--bins", "--no-fail-fast", FEATURES]);
    test.args(["monitor-common", "xtask", "monitor"].map(|package| format!("--package={package}")));
    test
}

fn catalogue(workspace: &Workspace, _: Extent) -> Result<Vec<Command>, String> {
    let names = workspace.ordinary_tests();
    if names.is_empty() {
        return Err("the package monitor has no integration tests".to_owned());
    }
    let mut test = cargo(["test", "--package", "monitor", "--no-fail-fast", FEATURES]);
    test.args(names.iter().map(|name| format!("--test={name}")));
    Ok(vec![test])
}

fn live(workspace: &Workspace, _: Extent) -> Result<Vec<Command>, String> {
    if !workspace.has_live_tests() {
        return Err("the package monitor has no test target `live`".to_owned());
    }
    let (mut others, mut storms) = (cargo(LIVE), cargo(LIVE));
    others.args(["--skip", STORMS, "--skip", IMAGE, LIVE_THREADS]);
    storms.args([STORMS, "--test-threads=1"]);
    Ok(vec![others, storms])
}

fn image(workspace: &Workspace, _: Extent) -> Result<Vec<Command>, String> {
    if !workspace.has_live_tests() {
        return Err("the package monitor has no test target `live`".to_owned());
    }
    let (name, mut make, mut tests) = ("gomon-test/gomon", task()?, cargo(LIVE));
    make.args(["image", "--name", name]);
    tests.args([IMAGE, "--test-threads=1", "--nocapture"]);
    // The version of the whole workspace.
    tests.env("GOMON_IMAGE", format!("{name}:{}", env!("CARGO_PKG_VERSION")));
    Ok(vec![make, tests])
}

/// This program, to be called for another of its tasks.
fn task() -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    Ok(Command::new(program))
}

fn vm(_: &Workspace, extent: Extent) -> Result<Vec<Command>, String> {
    let mut vm = task()?;
    vm.arg("vm");
    if extent == Extent::All {
        vm.arg("--all");
    }
    Ok(vec![vm])
}
