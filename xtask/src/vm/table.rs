//! What gomon's own tables have, by name: the hooks that `gomon doctor` must tell of, and the probes that must each see an
//! event. A test compares them with gomon's sources, which this program does not link.

/// The hooks of `monitor/src/kernel/hooks.rs`, those on demand too.
pub(super) const HOOKS: [&str; 12] = [
    "cgroup_mkdir",
    "cgroup_rmdir",
    "sched_process_exec",
    "sched_process_exit",
    "mark_victim",
    "signal_generate",
    "signal_deliver",
    "open_and_exec",
    "tls",
    "syscall_refused",
    "inet_sock_set_state",
    "dlopen",
];

/// The probes of `monitor-common/src/probe.rs`.
pub(super) const PROBES: [&str; 15] = [
    "exec_failed",
    "exec",
    "open",
    "oom_kill",
    "signal_sent",
    "signal_delivered",
    "exit",
    "cgroup_made",
    "cgroup_removed",
    "tls_alert",
    "flood",
    "syscall_refused",
    "listening",
    "dlopen_failed",
    "self_test",
];

/// Served by whatever program finds it out, not by a hook of its own.
pub(super) const WITHOUT_HOOK: [&str; 2] = ["flood", "self_test"];

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between these two in each line that has both.
    fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
        text.lines().filter_map(|line| line.trim().split_once(before)?.1.strip_suffix(after)).collect()
    }

    #[test]
    fn the_hooks_are_those_of_gomon() {
        let source = include_str!("../../../monitor/src/kernel/hooks.rs");
        let (_, table) = source.split_once("pub const HOOKS").unwrap();
        let (table, _) = table.split_once("\nimpl Hook").unwrap();
        assert_eq!(between(table, "name: \"", "\","), HOOKS);
    }

    #[test]
    fn the_probes_are_those_of_gomon() {
        let source = include_str!("../../../monitor-common/src/probe.rs");
        let (probes, _) = source.split_once("enum Tally").unwrap();
        assert_eq!(between(probes, " => \"", "\","), PROBES);
    }
}
