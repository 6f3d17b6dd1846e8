//! What only the kernel side can tell: cgroups, member offsets, and whether each program loads and attaches. It loads
//! them for real and lets go of them again.

use std::{fmt::Write as _, fs, path::Path};

use super::check::{Check, HOOK};
use crate::{
    inspect::error_text,
    kernel::{
        cgroupfs::{Hierarchy, Mode},
        hooks::{HOOKS, Hook, Kind, ON_DEMAND, Way},
        load::{Choice, HookState, LoadError, Outcome, attach_all, load_maps},
        offsets::Layout,
        uprobes,
    },
};

pub(super) fn checks(proc: &Path, choice: &Choice) -> Vec<Check> {
    let mut checks = Vec::new();
    let hierarchy = match Hierarchy::of_host(proc, false) {
        Ok(hierarchy) => {
            checks.push(cgroups(&hierarchy));
            checks.push(memory(&hierarchy));
            Ok(hierarchy)
        }
        Err(error) => {
            let remedy = "Without a cgroup hierarchy gomon cannot tell containers apart. Mount cgroup2 at \
                /sys/fs/cgroup; in a container mount the host's.";
            let found = error_text(&error);
            checks.push(Check::missing("cgroups", &found, remedy));
            checks.push(Check::degraded("memory-controller", "not looked for: no cgroup hierarchy", remedy));
            Err("no cgroup hierarchy")
        }
    };
    checks.push(members());
    match hierarchy {
        Ok(hierarchy) => checks.extend(programs(&hierarchy, choice)),
        Err(why) => checks.extend(unloaded(why, "See the check cgroups.")),
    }
    checks
}

fn cgroups(hierarchy: &Hierarchy) -> Check {
    let Hierarchy { mode, mount, id, .. } = hierarchy;
    let mount = mount.display();
    let found = match mode {
        Mode::Unified => format!("unified: cgroup2 at {mount}"),
        Mode::Hybrid => format!("hybrid: v1 controllers beside cgroup2 at {mount}, which gives the ids"),
        Mode::Legacy => format!("legacy: the v1 memory hierarchy {id} at {mount} gives the ids"),
    };
    Check::ok("cgroups", found)
}

/// Hybrid and legacy hosts have the v1 controller: its mount is how they are told.
fn memory(hierarchy: &Hierarchy) -> Check {
    match hierarchy.mode {
        Mode::Hybrid | Mode::Legacy => Check::ok("memory-controller", "the v1 memory controller is mounted"),
        Mode::Unified => {
            let path = hierarchy.mount.join("cgroup.controllers");
            unified_memory(&fs::read_to_string(path).unwrap_or_default())
        }
    }
}

fn unified_memory(controllers: &str) -> Check {
    if controllers.split_whitespace().any(|controller| controller == "memory") {
        return Check::ok("memory-controller", "memory is among the controllers of cgroup2");
    }
    Check::degraded(
        "memory-controller",
        format!("cgroup2 offers {:?}, not memory", controllers.trim()),
        "Without it containers have no memory limit of their own, and gomon cannot tell one's OOM kill from the \
         host's. Boot with cgroup_enable=memory.",
    )
}

fn members() -> Check {
    let name = "kernel-members";
    let layout = match Layout::of_running_kernel() {
        Ok(layout) => layout,
        Err(error) => return Check::missing(name, error_text(&error), "See the check btf."),
    };
    match layout.missing().as_slice() {
        [] => Check::ok(name, "the kernel has every member that gomon reads"),
        missing => Check::degraded(
            name,
            format!("this kernel lacks {}", missing.join(", ")),
            "What rests on them stays unknown. Please report it with the kernel's release.",
        ),
    }
}

/// Loads and attaches everything; all is undone when this returns.
fn programs(hierarchy: &Hierarchy, choice: &Choice) -> Vec<Check> {
    let (mut ebpf, btf) = match load_maps(hierarchy, 0) {
        Ok(loaded) => loaded,
        Err(error) => return unloaded(&error_text(&error), remedy(&error)),
    };
    let mut hooks = attach_all(&mut ebpf, &btf, choice);
    let none = !hooks.iter().any(HookState::is_attached);
    let (on_demand, _) = uprobes::load(&mut ebpf, &btf);
    hooks.extend(on_demand);
    let mut checks = vec![Check::ok("kernel-programs", "their maps are accepted")];
    checks.extend(hooks.iter().map(|HookState { hook, outcome, refused, .. }| match outcome {
        Outcome::Attached(way) => Check::ok(name(hook), attached(way, refused)),
        Outcome::Blind(why) => {
            let (found, remedy) = (format!("off: {why}"), off(hook));
            if none {
                Check::missing(name(hook), found, remedy)
            } else {
                Check::degraded(name(hook), found, remedy)
            }
        }
    }));
    checks
}

fn name(hook: &Hook) -> String {
    format!("{HOOK}{}", hook.name)
}

/// Where its programs are, and what was preferred to it and is not to be had.
fn attached(way: &Way, refused: &[(&Way, String)]) -> String {
    let places: Vec<String> = way.programs.iter().map(|program| program.attach.to_string()).collect();
    let word = match way.kind {
        Kind::Uprobe => "loaded, attached when a container needs it",
        Kind::Fexit | Kind::Tracepoint | Kind::Raw => "attached",
    };
    let mut found = format!("{word}: {}", places.join(" "));
    for (way, why) in refused {
        // Writing to a String cannot fail.
        let _ = write!(found, "; not {} (Linux {}), which costs less: {why}", way.kind.name(), way.since);
    }
    found
}

fn off(hook: &Hook) -> String {
    format!(
        "Without it gomon cannot see {}. It needs Linux {}, and the privileges above.",
        hook.lost,
        hook.since()
    )
}

fn remedy(error: &LoadError) -> &'static str {
    match error {
        LoadError::NotEmbedded => "Build gomon without AYA_BUILD_SKIP: cargo build --release.",
        LoadError::Offsets(_) | LoadError::Btf(_) => "See the check btf.",
        LoadError::Refused(_) => "See the checks user, cap-bpf and cap-perfmon.",
    }
}

/// Nothing could be loaded.
fn unloaded(why: &str, remedy: &str) -> Vec<Check> {
    let mut checks = vec![Check::missing("kernel-programs", why, remedy)];
    checks.extend(
        HOOKS
            .iter()
            .chain(ON_DEMAND)
            .map(|hook| Check::missing(name(hook), "not tried: see kernel-programs", off(hook))),
    );
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::State;

    #[test]
    fn every_hook_is_named_even_if_nothing_loads() {
        let checks = unloaded("no", "do");
        assert_eq!(checks.len(), HOOKS.len() + ON_DEMAND.len() + 1);
        assert!(checks.iter().all(|check| check.state == State::Missing && check.remedy.is_some()));
    }

    #[test]
    fn the_memory_controller_is_looked_for_by_its_word() {
        assert_eq!(unified_memory("cpuset cpu io memory pids\n").state, State::Ok);
        assert_eq!(unified_memory("cpu memory_recursiveprot\n").state, State::Degraded);
    }
}
