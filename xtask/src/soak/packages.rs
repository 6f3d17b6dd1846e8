//! Package installs inside containers: a local package with dpkg, and apt where a container reaches the archive.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::stage::{Scene, Stage, docker};
use crate::{command, say};

const IMAGE: &str = "gomon-test/bookworm:1";
/// Small, and needs nothing but the C library.
const PACKAGE: &str = "hello";
/// The bootstrapped image has no directories for lists and archives.
const LISTS: &str = "mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial; \
    apt-get -o Acquire::Retries=0 -o Acquire::http::Timeout=15 update";
const INSTALL: &str = "export DEBIAN_FRONTEND=noninteractive; apt-get install -y --no-install-recommends";

/// What can be installed here.
pub(super) struct Packages {
    /// The directory with the one package.
    dir: Option<PathBuf>,
    /// An image with apt's lists, where the archive can be reached from a container.
    lists: Option<&'static str>,
}

impl Packages {
    /// Fetches the package with the machine's own apt and the lists from inside a container; says what it cannot.
    pub(super) fn prepare(stage: &Stage) -> Self {
        let dir =
            fetch(stage).map_err(|error| say::warning(format_args!("no package to install: {error:#}")));
        let lists = lists(stage).map_err(|error| {
            say::warning(format_args!("apt is left out, the archive cannot be reached: {error:#}"));
        });
        Self { dir: dir.ok(), lists: lists.ok() }
    }

    /// What is left out, for the report.
    pub(super) fn left_out(&self) -> Vec<&'static str> {
        let dpkg = self.dir.is_none().then_some("dpkg: the machine's apt offers no package");
        let apt = self.lists.is_none().then_some("apt: the archive is out of a container's reach");
        dpkg.into_iter().chain(apt).collect()
    }

    /// One round of installs.
    pub(super) fn play(&self, stage: &Stage) {
        if let Some(dir) = &self.dir {
            stage.note("dpkg", dpkg(stage, &dir.display().to_string()));
        }
        if let Some(image) = self.lists {
            for scene in APT {
                if stage.goes_on() {
                    stage.note(scene.name, (scene.play)(stage, image));
                }
            }
        }
    }
}

impl Drop for Packages {
    fn drop(&mut self) {
        if let Some(image) = self.lists {
            command::succeeds(&mut docker(&["image", "rm", "--force", image]));
        }
    }
}

const APT: &[Scene] = &[
    Scene {
        name: "apt-small",
        play: |stage, image| apt(stage, "apt-small", image, "tree less", "tree /etc"),
    },
    Scene {
        name: "apt-python",
        play: |stage, image| {
            let python = "python3 -c 'import os, subprocess, ssl; subprocess.run([\"true\"]); \
                os.system(\"env true\"); os.execvp(\"true\", [\"true\"])'";
            apt(stage, "apt-python", image, "python3-minimal libpython3-stdlib", python)
        },
    },
    Scene {
        name: "apt-certificates",
        play: |stage, image| {
            apt(stage, "apt-certificates", image, "ca-certificates", "/app/probe.static system-pool")
        },
    },
];

fn dpkg(stage: &Stage, dir: &str) -> Result<()> {
    let volume = format!("{dir}:/packages:ro");
    let script = format!(
        "set -e; dpkg -i /packages/*.deb; {PACKAGE}; dpkg -L {PACKAGE} | xargs ls -d >/dev/null; dpkg -V; \
        dpkg -r {PACKAGE}; dpkg -i /packages/*.deb; dpkg --purge {PACKAGE}"
    );
    stage.run("dpkg", &["-v", &volume, IMAGE, "sh", "-c", &script], 0).map(drop)
}

/// Archives are kept, so that the mirror is asked once.
fn apt(stage: &Stage, name: &'static str, image: &str, packages: &str, then: &str) -> Result<()> {
    let archives = stage.dir.join("archives").join(name);
    fs::create_dir_all(archives.join("partial"))?;
    let volume = format!("{}:/var/cache/apt/archives", archives.display());
    let script = format!("set -e; {INSTALL} {packages}; {then}");
    stage.run(name, &["-v", &volume, image, "sh", "-c", &script], 0).map(drop)
}

fn fetch(stage: &Stage) -> Result<PathBuf> {
    let dir = stage.dir.join("packages");
    fs::create_dir_all(&dir)?;
    command::quiet(Command::new("apt-get").current_dir(&dir).args(["download", "--quiet", PACKAGE]))?;
    Ok(dir)
}

/// An ordinary container whose changes are kept as an image.
fn lists(stage: &Stage) -> Result<&'static str> {
    const KEPT: &str = "soak-lists:1";
    const SCENE: &str = "apt-update";
    let service = stage.create(SCENE, &[IMAGE, "sh", "-c", LISTS])?;
    service.docker(&["start"])?;
    service.ends_with(&[0]).with_context(|| service.docker(&["logs"]).unwrap_or_default())?;
    let log = service.docker(&["logs"])?;
    if !log.contains("Packages") {
        bail!("apt-get update fetched nothing: {log}");
    }
    command::quiet(&mut docker(&["commit", &service.name, KEPT]))?;
    stage.note(SCENE, Ok(()));
    Ok(KEPT)
}
