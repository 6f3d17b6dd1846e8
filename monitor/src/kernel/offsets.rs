//! Where the running kernel keeps what the programs read: offsets of members, from its BTF.

use btfparse::{Integer32Value, Offset as BtfOffset, Readable, TypeInformation, TypeVariant};
use monitor_common::offsets::{OFFSETS, Offset, UNKNOWN};
use thiserror::Error;

/// Where every kernel with `CONFIG_DEBUG_INFO_BTF` describes itself.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why the kernel's structures are unknown.
#[derive(Debug, Error)]
pub enum OffsetsError {
    #[error(
        "cannot read {VMLINUX}: this kernel was built without BTF, or the host's /sys is not mounted here. Boot a kernel with \
         CONFIG_DEBUG_INFO_BTF=y, as all distributions have it; in a container mount the host's /sys"
    )]
    NoBtf(#[source] std::io::Error),
    #[error("cannot understand {VMLINUX}: {0}")]
    Malformed(String),
}

/// What the programs are told about the kernel that they run on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "traits of a kernel that have nothing to do with each other"
)]
pub struct Layout {
    /// By the number of [`Offset`].
    pub offsets: [u32; OFFSETS],
    /// `mark_victim` passes a task, not only a pid.
    pub victim_is_task: bool,
    /// The kernel has `bpf_get_current_task_btf`: the current task is read with plain loads.
    pub task_is_typed: bool,
    /// `sched_process_exit` passes whether the process ends with the task.
    pub group_dead_is_told: bool,
    /// The kernel has `bpf_task_pt_regs`: a task's registers are to be had where no hook hands them over.
    pub registers_are_to_be_had: bool,
}

/// Members that a kernel may lack without anything being lost: it has no IPv6 then.
const DISPENSABLE: [Offset; 1] = [Offset::SockAddress6];

/// Structure and member path of each offset that is a plain member.
const MEMBERS: &[(Offset, &str, &str)] = &[
    (Offset::TaskPid, "task_struct", "pid"),
    (Offset::TaskTgid, "task_struct", "tgid"),
    (Offset::TaskComm, "task_struct", "comm"),
    (Offset::TaskRealParent, "task_struct", "real_parent"),
    (Offset::TaskSignal, "task_struct", "signal"),
    (Offset::TaskCgroups, "task_struct", "cgroups"),
    (Offset::TaskMm, "task_struct", "mm"),
    (Offset::TaskExitCode, "task_struct", "exit_code"),
    (Offset::TaskStatus, "task_struct", "thread_info.status"),
    (Offset::SignalTgid, "signal_struct", "pids[1]"),
    (Offset::SignalFlags, "signal_struct", "flags"),
    (Offset::SignalLive, "signal_struct", "live.counter"),
    (Offset::PidLevel, "pid", "level"),
    (Offset::PidNumbers, "pid", "numbers"),
    (Offset::CssSetDefaultCgroup, "css_set", "dfl_cgrp"),
    (Offset::CssCgroup, "cgroup_subsys_state", "cgroup"),
    (Offset::CgroupKn, "cgroup", "kn"),
    (Offset::CgroupRoot, "cgroup", "root"),
    (Offset::KernfsId, "kernfs_node", "id"),
    (Offset::RootHierarchyId, "cgroup_root", "hierarchy_id"),
    (Offset::BprmFilename, "linux_binprm", "filename"),
    (Offset::BprmInterp, "linux_binprm", "interp"),
    (Offset::SiginfoCode, "kernel_siginfo", "si_code"),
    (Offset::SiginfoSyscall, "kernel_siginfo", "_sifields._sigsys._syscall"),
    (Offset::SockProtocol, "sock", "sk_protocol"),
    (Offset::SockFamily, "sock", "__sk_common.skc_family"),
    (Offset::SockPort, "sock", "__sk_common.skc_num"),
    (Offset::SockAddress, "sock", "__sk_common.skc_rcv_saddr"),
    (Offset::SockAddress6, "sock", "__sk_common.skc_v6_rcv_saddr"),
    (Offset::MmArgStart, "mm_struct", "arg_start"),
    (Offset::MmArgEnd, "mm_struct", "arg_end"),
    (Offset::MemcgMax, "mem_cgroup", "memory.max"),
];

/// `MM_FILEPAGES`, `MM_ANONPAGES`, `MM_SHMEMPAGES` of `include/linux/mm_types_task.h`.
const RESIDENT: &[(Offset, u32)] = &[(Offset::RssFile, 0), (Offset::RssAnon, 1), (Offset::RssShmem, 3)];

impl Layout {
    /// Reads the running kernel's BTF.
    pub fn of_running_kernel() -> Result<Self, OffsetsError> {
        let bytes = std::fs::read(VMLINUX).map_err(OffsetsError::NoBtf)?;
        Self::parse(bytes)
    }

    /// Reads the BTF of any kernel.
    pub fn parse(btf: Vec<u8>) -> Result<Self, OffsetsError> {
        let types =
            TypeInformation::new(&Bytes(btf)).map_err(|e| OffsetsError::Malformed(format!("{e:?}")))?;
        let mut offsets = [UNKNOWN; OFFSETS];
        let mut set = |which: Offset, value: Option<u32>| {
            if let (Some(slot), Some(value)) = (offsets.get_mut(which as usize), value) {
                *slot = value;
            }
        };
        for (which, structure, path) in MEMBERS {
            set(*which, member(&types, structure, path));
        }
        set(Offset::UpidSize, size(&types, "upid"));
        set(Offset::CssSetMemory, memory_subsystem(&types));
        for (which, index) in RESIDENT {
            set(*which, resident(&types, *index));
        }
        let task_is_typed = offers(&types, "BPF_FUNC_get_current_task_btf");
        let exit = parameters(&types, "btf_trace_sched_process_exit");
        let victim = parameters(&types, "btf_trace_mark_victim").and_then(|all| all.get(1).copied());
        let is_pointer = |id| matches!(types.from_id(id), Some(TypeVariant::Ptr(_)));
        Ok(Self {
            offsets,
            victim_is_task: victim.is_none_or(is_pointer),
            task_is_typed,
            registers_are_to_be_had: offers(&types, "BPF_FUNC_task_pt_regs"),
            // (void *, struct task_struct *, bool)
            group_dead_is_told: exit.is_some_and(|all| all.len() > 2),
        })
    }

    /// Offsets that this kernel does not have and should.
    pub fn missing(&self) -> Vec<&'static str> {
        MEMBERS
            .iter()
            .filter(|(which, ..)| !DISPENSABLE.contains(which))
            .filter(|(which, ..)| self.offsets.get(*which as usize).is_none_or(|&o| o == UNKNOWN))
            .map(|(_, _, path)| *path)
            .collect()
    }
}

struct Bytes(Vec<u8>);

impl Readable for Bytes {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> btfparse::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match start.checked_add(buffer.len()).and_then(|end| self.0.get(start..end)) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(btfparse::Error::new(btfparse::ErrorKind::IOError, "read behind the end")),
        }
    }
}

/// The id of a structure; names are shared with functions and typedefs, so the kind decides.
fn structure(types: &TypeInformation, name: &str) -> Option<u32> {
    let is_struct = |id: u32| matches!(types.get().get(&id), Some(TypeVariant::Struct(_)));
    if let Some(id) = types.id_of(name).filter(|&id| is_struct(id)) {
        return Some(id);
    }
    types.get().iter().find_map(|(&id, variant)| {
        let TypeVariant::Struct(found) = variant else { return None };
        (found.name().as_deref() == Some(name)).then_some(id)
    })
}

fn member(types: &TypeInformation, name: &str, path: &str) -> Option<u32> {
    let (_, offset) = types.offset_of(structure(types, name)?, path).ok()?;
    match offset {
        BtfOffset::ByteOffset(bytes) => Some(bytes),
        BtfOffset::BitOffsetAndSize(..) => None,
    }
}

fn size(types: &TypeInformation, name: &str) -> Option<u32> {
    u32::try_from(types.size_of(structure(types, name)?).ok()?).ok()
}

/// `css_set.subsys[memory_cgrp_id]`: the index is an enumerator that depends on the kernel's configuration.
fn memory_subsystem(types: &TypeInformation) -> Option<u32> {
    let TypeVariant::Enum(ids) = types.from_id(types.id_of("cgroup_subsys_id")?)? else { return None };
    let index = ids.named_value_list().iter().find(|value| value.name == "memory_cgrp_id")?;
    let index = match index.value {
        Integer32Value::Signed(value) => u32::try_from(value).ok()?,
        Integer32Value::Unsigned(value) => value,
    };
    member(types, "css_set", &format!("subsys[{index}]"))
}

/// Whether the kernel has a helper, by its enumerator.
fn offers(types: &TypeInformation, helper: &str) -> bool {
    let id = types.id_of("bpf_func_id").and_then(|id| types.from_id(id));
    match id {
        Some(TypeVariant::Enum(ids)) => ids.named_value_list().iter().any(|value| value.name == helper),
        _ => false,
    }
}

/// From 6.2 on per-CPU counters, before that an array of `atomic_long_t`.
fn resident(types: &TypeInformation, index: u32) -> Option<u32> {
    member(types, "mm_struct", &format!("rss_stat[{index}].count"))
        .or_else(|| member(types, "mm_struct", &format!("rss_stat.count[{index}].counter")))
}

/// The types of a tracepoint's parameters; the first is the tracepoint's own.
fn parameters(types: &TypeInformation, tracepoint: &str) -> Option<Vec<u32>> {
    let TypeVariant::Typedef(typedef) = types.from_id(types.id_of(tracepoint)?)? else { return None };
    let TypeVariant::Ptr(pointer) = types.from_id(*typedef.tid())? else { return None };
    let TypeVariant::FuncProto(prototype) = types.from_id(*pointer.tid())? else { return None };
    let mut types = Vec::new();
    for parameter in prototype.parameter_list() {
        types.push(parameter.tid());
    }
    Some(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The running kernel, and those whose BTF lies in the directory that `cargo xtask vm --btf` gives.
    #[test]
    fn a_kernel_with_btf_offers_every_member() {
        let mut files = vec![std::path::PathBuf::from(VMLINUX)];
        if let Some(directory) = std::env::var_os("GOMON_BTF") {
            files.extend(std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()));
        }
        for file in files {
            let Ok(bytes) = std::fs::read(&file) else { continue };
            let layout = Layout::parse(bytes).unwrap();
            assert_eq!(layout.missing(), Vec::<&str>::new(), "{}", file.display());
            assert!(!layout.offsets.contains(&UNKNOWN), "{}: {:?}", file.display(), layout.offsets);
        }
    }

    #[test]
    fn garbage_is_malformed_not_a_panic() {
        assert!(matches!(Layout::parse(vec![1, 2, 3]), Err(OffsetsError::Malformed(_))));
    }
}
