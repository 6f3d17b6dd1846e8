//! Which cgroup a task belongs to, and whether anyone watches it.

use aya_ebpf::{helpers::generated::bpf_get_current_cgroup_id, macros::map, maps::HashMap};
use monitor_common::{limits::MAX_CGROUPS, offsets::Offset};

use crate::{
    globals::cgroup_v1,
    read::{Kernel, member},
    task,
};

/// Cgroups that are no container's. An unknown cgroup is watched until user space has looked at it, so that a
/// container is never missed; the price is a few needless events of a new host cgroup.
#[map]
static IGNORED_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(MAX_CGROUPS, 0);

#[inline(always)]
pub(crate) fn watched(cgroup: u64) -> bool {
    IGNORED_CGROUPS.get_ptr(cgroup).is_none()
}

/// The id of a removed cgroup may come back for another one.
#[inline(always)]
pub(crate) fn forget(cgroup: u64) {
    // An absent key is the ordinary case: containers have none.
    let _ = IGNORED_CGROUPS.remove(cgroup);
}

/// The current task's cgroup in the hierarchy that containers are keyed by.
#[inline(always)]
pub(crate) fn current() -> u64 {
    if cgroup_v1() {
        return of_task(task::current()).unwrap_or(0);
    }
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_current_cgroup_id() }
}

/// The cgroup of any task in that hierarchy.
#[inline(always)]
pub(crate) fn of_task(task: Kernel) -> Option<u64> {
    let css_set: Kernel = member(task, Offset::TaskCgroups)?;
    let cgroup: Kernel = if cgroup_v1() {
        let css: Kernel = member(css_set, Offset::CssSetMemory)?;
        member(css, Offset::CssCgroup)?
    } else {
        member(css_set, Offset::CssSetDefaultCgroup)?
    };
    id(cgroup)
}

/// The inode number of a `struct cgroup`.
#[inline(always)]
pub(crate) fn id(cgroup: Kernel) -> Option<u64> {
    let kn: Kernel = member(cgroup, Offset::CgroupKn)?;
    member(kn, Offset::KernfsId)
}

/// `cgroup->root->hierarchy_id`.
#[inline(always)]
pub(crate) fn hierarchy_of(cgroup: Kernel) -> Option<u32> {
    let root: Kernel = member(cgroup, Offset::CgroupRoot)?;
    member(root, Offset::RootHierarchyId)
}
