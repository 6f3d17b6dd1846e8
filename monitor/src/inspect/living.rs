//! Looks at the processes of a running container and at its CPU quota, through the host's procfs and cgroupfs. Opens nothing
//! of the container's own.

pub(super) mod cpu;
pub(super) mod status;

use std::collections::BTreeSet;

use super::host::Host;
use crate::model::{
    fact::Known,
    living::{MAX_STATUSES, ProcessStatus, ProcessTable},
};

pub(super) use cpu::cpu;

/// Zombies may take the place of the living, but not of all.
const MAX_ZOMBIES: usize = MAX_STATUSES / 2;
/// Threads of all processes whose children are looked at.
const MAX_THREADS: usize = 1024;
/// Children of one container that are looked at.
const MAX_CHILDREN: usize = 4096;
/// Processes of the host that are looked at where threads do not tell their children.
const MAX_HOST_PROCESSES: usize = 65_536;
/// The children of one thread, some thousand numbers.
const CHILDREN_LIMIT_BYTES: u64 = 64 << 10;
/// `/proc/PID/stat` has some fifty numbers and a name.
const STAT_LIMIT_BYTES: u64 = 4 << 10;

/// The processes with these numbers and the zombies that they have not waited for. `pids` are the host's numbers of all
/// processes of a container, as its cgroup lists them: without zombies. What ends meanwhile is left out, also where its
/// number is another process's by now.
pub(super) fn processes(host: &Host, cgroup: &str, pids: &[u32]) -> Known<ProcessTable> {
    let living: BTreeSet<u32> = pids.iter().copied().collect();
    if living.is_empty() {
        return Known::unknown("no process of the container was found");
    }
    let mut table = ProcessTable::default();
    for child in children(host, &living) {
        let is_listed = living.contains(&child);
        // The number may belong to another process by now. Zombies have left their cgroup in v1.
        let zombie = status::read(host, "", child)
            .filter(|status| !is_listed && status.is_zombie && living.contains(&status.parent_pid));
        if let Some(zombie) = zombie {
            keep(&mut table, zombie, MAX_ZOMBIES);
        }
    }
    let zombies = table.processes.len();
    for &pid in &living {
        if table.processes.len() >= MAX_STATUSES {
            table.left_out = table.left_out.saturating_add(1);
        } else if let Some(status) = status::read(host, cgroup, pid) {
            keep(&mut table, status, MAX_STATUSES);
        }
    }
    if table.processes.len() == zombies {
        return Known::unknown("the processes of the container have ended");
    }
    table.processes.sort_by_key(|process| process.pid);
    Known::Is(table)
}

fn keep(table: &mut ProcessTable, process: ProcessStatus, limit: usize) {
    if table.processes.len() < limit {
        table.processes.push(process);
    } else {
        table.left_out = table.left_out.saturating_add(1);
    }
}

/// The children of these processes, zombies among them.
fn children(host: &Host, parents: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut threads_left = MAX_THREADS;
    let mut found = BTreeSet::new();
    let mut is_told = false;
    for &parent in parents {
        for thread in host.threads(parent, threads_left) {
            threads_left = threads_left.saturating_sub(1);
            // Needs CONFIG_PROC_CHILDREN.
            let name = format!("task/{thread}/children");
            let Ok(list) = host.read_of_process(parent, &name, CHILDREN_LIMIT_BYTES) else { continue };
            is_told = true;
            let list = String::from_utf8_lossy(&list);
            found.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        if threads_left == 0 || found.len() > MAX_CHILDREN {
            break;
        }
    }
    if !is_told && threads_left < MAX_THREADS {
        found = children_by_parent(host, parents);
    }
    found.into_iter().take(MAX_CHILDREN).collect()
}

/// The same from all processes of the host.
fn children_by_parent(host: &Host, parents: &BTreeSet<u32>) -> BTreeSet<u32> {
    let is_child = |pid: u32| {
        let stat = host.read_of_process(pid, "stat", STAT_LIMIT_BYTES).ok()?;
        Some(parents.contains(&status::parent_in_stat(&stat)?))
    };
    host.pids().into_iter().take(MAX_HOST_PROCESSES).filter(|&pid| is_child(pid) == Some(true)).collect()
}

#[cfg(test)]
mod tests;
