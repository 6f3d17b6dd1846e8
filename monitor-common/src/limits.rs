//! Sizes of maps and strings, in one place.

/// Bytes of a file path in a record, the terminating NUL included.
pub const PATH_BYTES: usize = 256;
/// Bytes of `argv[0]` in a record, the terminating NUL included.
pub const ARG_BYTES: usize = 128;
/// Bytes of a cgroup path in a record, the terminating NUL included.
pub const CGROUP_PATH_BYTES: usize = 512;
/// Bytes of a command line in a record; of a longer one its end. A power of two.
pub const COMMAND_BYTES: usize = 1024;
/// `TASK_COMM_LEN` of include/linux/sched.h.
pub const COMM_BYTES: usize = 16;

/// Ring for rare, precious events: failed execs, OOM kills, signals, exits of container inits, cgroups.
pub const PRECIOUS_RING_BYTES: u32 = 2 << 20;
/// Ring for everything else.
pub const ORDINARY_RING_BYTES: u32 = 2 << 20;
/// Cgroups whose class the kernel side remembers. Beyond it an unknown cgroup counts as watched: dearer, never blind.
pub const MAX_CGROUPS: u32 = 16_384;
/// Budgets that the kernel side keeps at once, one for each cgroup, probe and lane; the longest unused goes first.
pub const MAX_BUDGETS: u32 = 8_192;
/// Calls of dlopen(3) that are under way at once on the host; the longest untouched goes first.
pub const MAX_CALLS: u32 = 4_096;
