//! What gomon reads of the host is not there, or goes away: BTF, tracefs, the cgroup tree.

use std::process::Command;

use super::{agent_line, broken, in_own_mounts, is_named};
use crate::support::{Agent, gomon, run, said, wait_for};

#[test]
fn without_btf_nothing_is_observed_and_the_way_out_is_named() {
    const HIDDEN: &str = "mount -t tmpfs none /sys/kernel/btf";
    let (agent, _, _dir) = agent_line();
    for command in [agent, gomon(&["events", "--timeout", "5s"])] {
        let finished = run(in_own_mounts(&command, HIDDEN)).exits(3);
        for words in ["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF=y", "mount the host's /sys"] {
            assert!(finished.stderr.contains(words), "{words}: {finished:#?}");
        }
    }
    let finished = run(in_own_mounts(&gomon(&["doctor"]), HIDDEN)).exits(3);
    assert!(finished.stdout.contains("CONFIG_DEBUG_INFO_BTF"), "{finished:#?}");
}

#[test]
fn without_a_cgroup_tree_nothing_is_observed_and_the_way_out_is_named() {
    let (command, _, _dir) = agent_line();
    let finished = run(in_own_mounts(&command, "umount --recursive --lazy /sys/fs/cgroup")).exits(3);
    for words in ["no cgroup hierarchy is mounted", "Mount cgroup2 at /sys/fs/cgroup"] {
        assert!(finished.stderr.contains(words), "{words}: {finished:#?}");
    }
}

#[test]
fn a_cgroup_tree_that_is_unmounted_meanwhile_stays_in_reach() {
    let (command, address, dir) = agent_line();
    let agent = Agent::launch(in_own_mounts(&command, "true"), address, dir).ready();
    let pid = agent.pid().to_string();
    let mut unmount = Command::new("nsenter");
    unmount.args(["--target", &pid, "--mount", "umount", "--recursive", "--lazy", "/sys/fs/cgroup"]);
    let unmounted = said(&mut unmount);
    assert_eq!(unmounted.code, Some(0), "{unmounted:?}");
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
    assert!(!mounts.contains(" cgroup"), "{mounts}");
    let container = broken("unmounted");
    container.run();
    is_named(&agent, &container);
    assert_eq!(agent.get("/readyz"), "ready\n");
}

#[test]
fn without_tracefs_the_hooks_take_another_way() {
    let (command, address, dir) = agent_line();
    let hidden = "for at in /sys/kernel/tracing /sys/kernel/debug; do mount -t tmpfs none $at; done";
    let agent = Agent::launch(in_own_mounts(&command, hidden), address, dir).ready();
    let metrics = agent.metrics();
    wait_for("all probes", || metrics.of("gomon_probe_attached", &[]).all(|(_, on)| on > 0.5).then_some(()));
    let container = broken("no-tracefs");
    container.run();
    is_named(&agent, &container);
}
