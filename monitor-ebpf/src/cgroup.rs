//! Which cgroup a task belongs to, and whether anyone watches it.

use aya_ebpf::{
    helpers::generated::bpf_get_current_cgroup_id,
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
};
use monitor_common::{limits::MAX_CGROUPS, offsets::Offset, recent};

use crate::{globals::cgroup_v1, read::Kernel, task};

/// Cgroups that are no container's. An unknown cgroup is watched until user space has looked at it, so that a
/// container is never missed; the price is a few needless events of a new host cgroup.
#[map]
static IGNORED_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(MAX_CGROUPS, 0);

/// What was last decided on each CPU, see [`recent`]: events come in rows from one cgroup.
#[map]
static RECENT: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Changes whenever a decision may have: the first by user space, the second here.
#[map]
static GENERATIONS: Array<u64> = Array::with_max_entries(2, 0);

#[inline(always)]
pub(crate) fn watched(cgroup: u64) -> bool {
    let (Some(recent), Some(theirs), Some(ours)) =
        (RECENT.get_ptr_mut(0), GENERATIONS.get(0), GENERATIONS.get(1))
    else {
        return true;
    };
    let generation = theirs.wrapping_add(*ours);
    // SAFETY: this CPU's slot; another program may come between, so it is read and written whole.
    unsafe {
        if let Some(watched) = recent::answer(recent.read_volatile(), cgroup, generation) {
            return watched;
        }
        let watched = IGNORED_CGROUPS.get_ptr(cgroup).is_none();
        recent.write_volatile(recent::note(cgroup, generation, watched));
        watched
    }
}

/// The id of a removed cgroup may come back for another one.
#[inline(always)]
pub(crate) fn forget(cgroup: u64) {
    // An absent key is the ordinary case: containers have none.
    let _ = IGNORED_CGROUPS.remove(cgroup);
    if let Some(ours) = GENERATIONS.get_ptr_mut(1) {
        // SAFETY: a slot of the map that this program alone writes. One that runs on another CPU at the same time may
        // undo a step; the other's step is then the change.
        unsafe { *ours = (*ours).wrapping_add(1) };
    }
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
    let css_set = task.follow(Offset::TaskCgroups)?;
    let cgroup = if cgroup_v1() {
        css_set.follow(Offset::CssSetMemory)?.follow(Offset::CssCgroup)?
    } else {
        css_set.follow(Offset::CssSetDefaultCgroup)?
    };
    id(cgroup)
}

/// The inode number of a `struct cgroup`.
#[inline(always)]
pub(crate) fn id(cgroup: Kernel) -> Option<u64> {
    cgroup.follow(Offset::CgroupKn)?.get(Offset::KernfsId)
}

/// `cgroup->root->hierarchy_id`.
#[inline(always)]
pub(crate) fn hierarchy_of(cgroup: Kernel) -> Option<u32> {
    cgroup.follow(Offset::CgroupRoot)?.get(Offset::RootHierarchyId)
}

/// Pages that the memory cgroup of a task may have; -1 if unknown.
#[inline(always)]
pub(crate) fn memory_limit(task: Kernel) -> i64 {
    let css = task.follow(Offset::TaskCgroups).and_then(|css_set| css_set.follow(Offset::CssSetMemory));
    let Some(css) = css.filter(|css| css.address() != 0) else { return -1 };
    // The verifier knows it as the smaller structure that it begins with.
    Kernel::untyped(css.address()).get(Offset::MemcgMax).unwrap_or(-1)
}
