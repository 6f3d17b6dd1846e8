//! What user space tells the programs before they are loaded.

use core::ptr::{addr_of, read_volatile};

use aya_ebpf::Global;
use monitor_common::offsets::{OFFSETS as OFFSET_COUNT, Offset, UNKNOWN};

#[unsafe(no_mangle)]
static OFFSETS: [u32; OFFSET_COUNT] = [UNKNOWN; OFFSET_COUNT];

/// 1: this host has no v2 hierarchy, containers are keyed by their memory cgroup.
#[unsafe(no_mangle)]
static CGROUP_V1: Global<u32> = Global::new(0);

/// `hierarchy_id` of the hierarchy that containers are keyed by; 0 is v2.
#[unsafe(no_mangle)]
static HIERARCHY: Global<u32> = Global::new(0);

/// 1: `mark_victim` passes the victim's task; 0: only its pid (early 5.10).
#[unsafe(no_mangle)]
static VICTIM_IS_TASK: Global<u32> = Global::new(1);

/// 1: the kernel hands out the current task with its type (`bpf_get_current_task_btf`, from 5.11).
#[unsafe(no_mangle)]
static TASK_IS_TYPED: Global<u32> = Global::new(0);

/// 1: `sched_process_exit` passes whether the process ends with the task.
#[unsafe(no_mangle)]
static GROUP_DEAD_IS_TOLD: Global<u32> = Global::new(0);

/// 1: the kernel hands out the registers of a task (`bpf_task_pt_regs`, from 5.15).
#[unsafe(no_mangle)]
static REGISTERS_ARE_TO_BE_HAD: Global<u32> = Global::new(0);

/// What gomon's own failing calls carry; see the probe `self_test`.
#[unsafe(no_mangle)]
static SELF_TEST_MARK: Global<u64> = Global::new(u64::MAX);

/// The offset of a member, or `None` where this kernel has none.
#[inline(always)]
pub(crate) fn offset(which: Offset) -> Option<usize> {
    // SAFETY: `which` is below the array's length by construction; volatile because user space rewrites it.
    let value = unsafe { read_volatile(addr_of!(OFFSETS).cast::<u32>().add(which as usize)) };
    if value == UNKNOWN { None } else { Some(value as usize) }
}

#[inline(always)]
pub(crate) fn cgroup_v1() -> bool {
    CGROUP_V1.load() != 0
}

#[inline(always)]
pub(crate) fn hierarchy() -> u32 {
    HIERARCHY.load()
}

#[inline(always)]
pub(crate) fn victim_is_task() -> bool {
    VICTIM_IS_TASK.load() != 0
}

#[inline(always)]
pub(crate) fn task_is_typed() -> bool {
    TASK_IS_TYPED.load() != 0
}

#[inline(always)]
pub(crate) fn group_dead_is_told() -> bool {
    GROUP_DEAD_IS_TOLD.load() != 0
}

#[inline(always)]
pub(crate) fn registers_are_to_be_had() -> bool {
    REGISTERS_ARE_TO_BE_HAD.load() != 0
}

#[inline(always)]
pub(crate) fn self_test_mark() -> u64 {
    SELF_TEST_MARK.load()
}
