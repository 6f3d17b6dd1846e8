//! Where the programs are that tests use and that may be missing: on PATH, or in the cache of `cargo xtask setup`.

use std::{env, io::Write as _, path::PathBuf};

/// Where a program is on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// A program on PATH, or where this part of the set-up keeps it.
pub(crate) fn tool(part: &str, name: &str) -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    find(name)
        .or_else(|| cache.map(|dir| dir.join("gomon").join(part).join(name)).filter(|file| file.is_file()))
}

/// Says, past the test runner's capture, that something could not be checked here.
pub(crate) fn skip(what: &str, why: &str) {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // `cargo xtask test` reads standard output and counts these lines. The line that the runner has begun is not whole.
    let _ = writeln!(std::io::stdout(), "\nSKIPPED ({count} so far): {what}: {why}");
}
