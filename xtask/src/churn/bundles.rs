//! The churn's containers of runc alone: a root file system for each image, a bundle for each container.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::cast::Kind;
use crate::fixtures::{self, Image};
use crate::{cache, command, setup};

/// What Docker gives to its containers (`oci/caps/defaults.go` of moby).
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Where bundles and roots lie.
pub(super) struct Bundles {
    directory: PathBuf,
    roots: BTreeMap<&'static str, PathBuf>,
}

impl Bundles {
    pub(super) fn prepare() -> Result<Self> {
        command::find("runc").context("runc is not installed; `cargo xtask setup` installs it")?;
        let fixtures = fixtures::ensure(&setup::go::ensure()?, &Image::COMMON)?;
        let directory = cache::dir("churn")?.join("bundles");
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        let mut roots = BTreeMap::new();
        for image in [Image::Scratch, Image::Musl] {
            let root = directory.join("roots").join(image.name());
            fs::create_dir_all(root.parent().context("a path below the cache")?)?;
            // Links cost nothing and keep capabilities; the fixtures themselves stay without mount points.
            let from = fixtures.dir.join("roots").join(image.name());
            command::quiet(Command::new("cp").args(["--archive", "--link"]).arg(from).arg(&root))?;
            for mount in ["proc", "dev"] {
                fs::create_dir_all(root.join(mount))?;
            }
            roots.insert(image.name(), root);
        }
        Ok(Self { directory, roots })
    }

    /// Runs a container, which must not start.
    pub(super) fn run(&self, id: &str, kind: &Kind) -> Result<()> {
        let root = self.roots.get(kind.image.name()).context("an image without a root")?;
        let bundle = self.directory.join(id);
        fs::create_dir_all(&bundle)?;
        fs::write(bundle.join("config.json"), config(root, kind.command))?;
        let mut run = Command::new("runc");
        run.arg("--root").arg(self.directory.join("state")).args(["run", "--bundle"]).arg(&bundle).arg(id);
        let output = run.output().context("cannot start runc")?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            bail!("{id} started although it must not");
        }
        // Everything else is a failure of runc before the program's turn came.
        let program = kind.command.first().copied().unwrap_or_default();
        if !said.contains("exec") || !said.contains(program) {
            bail!("runc run {id}: {}", said.trim());
        }
        Ok(())
    }
}

fn config(root: &Path, args: &[&str]) -> String {
    let namespaces = ["pid", "mount", "ipc", "uts"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/",
            "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
        },
        "root": {"path": root, "readonly": true},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        ],
        "linux": {"namespaces": namespaces},
    })
    .to_string()
}
