//! The system packages: which programs and files have to exist, and which Debian packages bring them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::apt;
use crate::command;
use crate::vm::QEMU;

/// All that may have to be installed for the images.
pub(super) const IMAGE_TOOLS_PACKAGES: &[&str] = &[
    "debootstrap",
    "busybox-static",
    "musl",
    "musl-tools",
    "gcc",
    "libc6-dev",
    "libcap2-bin",
    "ca-certificates",
];

/// All that may have to be installed for the runtimes beside Docker.
pub(super) const RUNTIMES_PACKAGES: &[&str] = &["containerd", "runc", "crun", "podman"];

/// All that may have to be installed for tests of pages: the browser without its windows.
pub(super) const BROWSER_PACKAGES: &[&str] = &["chromium-headless-shell"];

/// All that may have to be installed for guests.
pub(super) const GUEST_PACKAGES: &[&str] =
    &["qemu-system-x86", "busybox-static", "runc", "gcc", "libc6-dev", "musl", "musl-tools"];

const MUSL_LOADER: &str = "/lib/ld-musl-x86_64.so.1";
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// One requirement: what to look for, and what brings it.
struct Wanted {
    what: &'static str,
    present: fn() -> bool,
    packages: &'static [&'static str],
}

const BUSYBOX: Wanted =
    Wanted { what: "a static /bin/busybox", present: static_busybox, packages: &["busybox-static"] };
const MUSL_GCC: Wanted =
    Wanted { what: "musl-gcc", present: || command::find("musl-gcc").is_some(), packages: &["musl-tools"] };
const MUSL: Wanted =
    Wanted { what: MUSL_LOADER, present: || Path::new(MUSL_LOADER).exists(), packages: &["musl"] };
const GCC: Wanted =
    Wanted { what: "gcc with the C library's headers", present: compiles_c, packages: &["gcc", "libc6-dev"] };

const IMAGE_TOOLS: &[Wanted] = &[
    Wanted {
        what: "debootstrap",
        present: || command::find("debootstrap").is_some(),
        packages: &["debootstrap"],
    },
    BUSYBOX,
    MUSL_GCC,
    MUSL,
    GCC,
    Wanted { what: "setcap", present: || command::find("setcap").is_some(), packages: &["libcap2-bin"] },
    Wanted { what: CA_BUNDLE, present: || Path::new(CA_BUNDLE).exists(), packages: &["ca-certificates"] },
];

const GUEST: &[Wanted] = &[
    Wanted { what: QEMU, present: || command::find(QEMU).is_some(), packages: &["qemu-system-x86"] },
    BUSYBOX,
    Wanted { what: "runc", present: || command::find("runc").is_some(), packages: &["runc"] },
    GCC,
    MUSL_GCC,
    MUSL,
];

const DOCKER: &[Wanted] = &[
    Wanted { what: "dockerd", present: || command::find("dockerd").is_some(), packages: &["docker.io"] },
    // Newer Debian releases ship the client apart from the daemon.
    Wanted {
        what: "docker",
        present: || command::find("docker").is_some(),
        packages: &["docker.io", "docker-cli"],
    },
    Wanted { what: "iptables", present: || command::find("iptables").is_some(), packages: &["iptables"] },
];

const RUNTIMES: &[Wanted] = &[
    Wanted {
        what: "containerd with ctr",
        present: || command::find("containerd").and(command::find("ctr")).is_some(),
        packages: &["containerd"],
    },
    Wanted { what: "runc", present: || command::find("runc").is_some(), packages: &["runc"] },
    Wanted { what: "crun", present: || command::find("crun").is_some(), packages: &["crun"] },
    Wanted { what: "podman", present: || command::find("podman").is_some(), packages: &["podman"] },
];

const BROWSER: &[Wanted] = &[Wanted {
    what: "chromium-headless-shell or chromium",
    present: || command::find("chromium-headless-shell").or_else(|| command::find("chromium")).is_some(),
    packages: BROWSER_PACKAGES,
}];

/// A daemon that answers is enough; otherwise all that is needed to start one, as root.
pub(super) fn docker() -> Result<()> {
    if command::succeeds(Command::new("docker").arg("version")) {
        return Ok(());
    }
    if !command::is_root() {
        bail!("no Docker daemon answers, and only root can start one");
    }
    install(DOCKER)
}

pub(super) fn runtimes() -> Result<()> {
    install(RUNTIMES)
}

pub(super) fn browser() -> Result<()> {
    install(BROWSER)
}

pub(super) fn guest() -> Result<()> {
    if !cfg!(target_arch = "x86_64") {
        bail!("guests are made for x86_64 only");
    }
    install(GUEST)
}

pub(super) fn image_tools() -> Result<()> {
    if !cfg!(target_arch = "x86_64") {
        bail!("the fixtures are made for x86_64 only");
    }
    if !command::is_root() {
        bail!("only root can give fixture files their owners and capabilities");
    }
    install(IMAGE_TOOLS)
}

fn install(wanted: &[Wanted]) -> Result<()> {
    let missing = || wanted.iter().filter(|one| !(one.present)());
    let mut packages: Vec<&str> = missing().flat_map(|one| one.packages).copied().collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let why = apt::install(&packages).err();
    let still: Vec<&str> = missing().map(|one| one.what).collect();
    match why {
        _ if still.is_empty() => Ok(()),
        Some(error) => bail!("missing: {} ({error:#})", still.join(", ")),
        None => bail!("missing even after apt-get install: {}", still.join(", ")),
    }
}

/// A dynamic busybox is useless in a root without a C library; it names its loader near the start of the file.
fn static_busybox() -> bool {
    const HEADERS: usize = 4096;
    fs::read("/bin/busybox").is_ok_and(|bytes| {
        let head = bytes.get(..HEADERS).unwrap_or(&bytes);
        !head.windows(4).any(|window| window == b"/ld-")
    })
}

/// The compiler comes without the C library's headers when recommended packages are left out.
fn compiles_c() -> bool {
    command::find("gcc").is_some() && Path::new("/usr/include/stdlib.h").exists()
}
