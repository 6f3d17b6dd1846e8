//! `gomon version`: which gomon this is.

use serde_json::json;

use super::{
    exit::{Exit, Failure, OrExit},
    output::Output,
};
use crate::{
    cli::{args::VersionArgs, parse::AnswerFormat},
    sink::metrics::Build,
};

/// This build. The revision and the compiler come from `GOMON_REVISION` and `GOMON_RUSTC` at build time.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: or_unknown(option_env!("GOMON_REVISION")),
    rust_version: or_unknown(option_env!("GOMON_RUSTC")),
};

const fn or_unknown(value: Option<&'static str>) -> &'static str {
    match value {
        Some(value) => value,
        None => "unknown",
    }
}

/// Whether the kernel programs are part of this binary; without them it can only replay and explain.
fn is_embedded() -> bool {
    #[cfg(feature = "kernel")]
    return !crate::kernel::OBJECT.is_empty();
    #[cfg(not(feature = "kernel"))]
    false
}

pub(super) fn run(args: VersionArgs, output: Output) -> Result<Exit, Failure> {
    let Build { version, revision, rust_version } = BUILD;
    let text = match args.output {
        AnswerFormat::Columns => format!(
            "gomon {version}\nrevision         {revision}\nrustc            {rust_version}\nkernel programs  {}\n",
            if is_embedded() { "yes" } else { "no" }
        ),
        AnswerFormat::Json => {
            let value = json!({
                "version": version,
                "revision": revision,
                "rustc": rust_version,
                "kernel_programs": is_embedded(),
            });
            format!("{value}\n")
        }
    };
    output.print(&text).or_exit(Exit::Usage)?;
    Ok(Exit::Nothing)
}
