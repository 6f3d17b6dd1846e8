//! Builds the kernel programs and leaves the object in `OUT_DIR`, where `src/kernel/object.rs` embeds it.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

fn main() -> Result<()> {
    if env::var_os("CARGO_FEATURE_KERNEL").is_none() {
        return Ok(());
    }
    let out = env::var("OUT_DIR").context("cargo sets OUT_DIR")?;
    // Lint jobs skip the build (AYA_BUILD_SKIP=1): an empty object says so at run time.
    let object = Path::new(&out).join("gomon-ebpf");
    if !object.exists() {
        fs::write(&object, [])?;
    }
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".to_owned());
    // SAFETY: a build script has one thread. Only the nested build sees it: `-Z build-std=core` on a stable compiler.
    unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
    println!("cargo:rerun-if-changed=../monitor-common");
    aya_build::build_ebpf(
        [Package {
            name: "monitor-ebpf",
            root_dir: "../monitor-ebpf",
            ..Package::default()
        }],
        Toolchain::Custom(&toolchain),
    )
    .context("building the kernel programs failed; `cargo xtask setup` installs what they need (rust-src, bpf-linker)")
}
