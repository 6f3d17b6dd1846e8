//! Breakpoints belong into a container's own files: one that was given the host's library gets none.

use std::fs;

use super::{Recording, wait_long};
use crate::support::{Container, skip};

const LIBRARY: &str = "/lib/x86_64-linux-gnu/libc.so.6";

#[test]
fn no_breakpoint_is_set_in_the_hosts_own_library() {
    let Ok(own) = fs::canonicalize(LIBRARY) else { return skip("the host's library", "it is elsewhere") };
    let recording = Recording::start();
    let mount = format!("{}:{LIBRARY}:ro", own.display());
    // A busy machine may end the container before gomon has got that far.
    wait_long("the refusal", || {
        let command = ["/app/probe.glibc", "dlopen", "libnone.so"];
        let container = Container::new("steered", "bookworm", &command).with(&["--volume", &mount]);
        // Whether it starts depends on how far its loader is from the host's.
        container.run();
        let watched = recording.learns(&container.id(), "dlopen_watched");
        let why = watched["unknown"].as_str();
        let why = why.unwrap_or_else(|| panic!("it is watched, or said to need none: {watched}"));
        why.contains("host's own").then_some(())
    });
    recording.ends_well();
}
