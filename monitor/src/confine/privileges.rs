//! Drops user and capabilities of the calling thread for good: capabilities(7), credentials(7). Never touches other threads.

use rustix::{
    io::Errno,
    process::{
        DumpableBehavior, Gid, Uid, geteuid, parent_process_death_signal, set_dumpable_behavior,
        set_parent_process_death_signal,
    },
    thread::{
        CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
        set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};

/// A user and a group that nobody has: systemd leaves these numbers free (UIDS-GIDS), Debian and Red Hat give out none
/// of them, and they are below those of rootless containers.
pub const UID: u32 = 65_523;

/// What gomon needs as long as it runs, of what it has, and what for:
/// - `DAC_READ_SEARCH`: configurations and files of containers, whoever owns them;
/// - `SYS_PTRACE`: `/proc/PID/root` and `/proc/PID/environ` of other users' processes;
/// - `SYS_ADMIN`: breakpoints on dlopen, which are set when a container needs them; the layers of dead Docker containers,
///   which are mounted for gomon alone.
pub const KEPT: CapabilitySet =
    CapabilitySet::DAC_READ_SEARCH.union(CapabilitySet::SYS_PTRACE).union(CapabilitySet::SYS_ADMIN);

/// What `SYS_ADMIN` stands in for: `BPF` to read maps where the kernel lets nobody else do it
/// (`unprivileged_bpf_disabled`, before 5.19), `PERFMON` for breakpoints.
pub(super) const IN_PLACE_OF_ADMIN: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::PERFMON);

/// Numbers of capabilities that a kernel may have: `struct __user_cap_data_struct` has room for so many.
const MAX_CAPABILITIES: u32 = 64;

/// No program that this thread may start gets more than it has: prctl(2), `PR_SET_NO_NEW_PRIVS`.
pub(super) fn no_new_ones() -> Result<(), String> {
    // Memory holds keys and configurations of containers: none of it shall lie around as a core.
    // An error would mean that the kernel does not know the call, which is as old as 2.3.20.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    set_no_new_privs(true).map_err(|error| error.to_string())
}

/// Root becomes [`UID`] and keeps its permitted capabilities; another user stays who it is.
pub(super) fn change_user(groups: &[u32]) -> Result<(), String> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(UID), Gid::from_raw(UID));
    let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
    let told = parent_process_death_signal();
    let change = || {
        set_keep_capabilities(true)?;
        set_thread_groups(&groups)?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)
    };
    let changed = change();
    // The kernel forgets it with the user; who started gomon may still count on it.
    if let Ok(Some(signal)) = told {
        let _ = set_parent_process_death_signal(Some(signal));
    }
    changed.map_err(|error| match error {
        Errno::PERM => format!("it cannot become user {UID}: CAP_SETUID and CAP_SETGID are needed for that"),
        error => format!("it cannot become user {UID}: {error}"),
    })
}

/// What is left are those of [`KEPT`] that this thread has, or what does instead; none is inheritable, and none can come back.
pub(super) fn drop_capabilities() -> Result<(), String> {
    let failed = |error: Errno| format!("capabilities cannot be dropped: {error}");
    let permitted = capabilities(None).map_err(failed)?.permitted;
    let kept = permitted & kept_of(permitted);
    // Without it the two sets below stay as they are, and mean nothing: without new privileges no program can use them.
    let lock = permitted & CapabilitySet::SETPCAP;
    limit_to(kept | lock).map_err(failed)?;
    if !lock.is_empty() {
        empty_the_bounding_set().map_err(failed)?;
        set_capabilities_secure_bits(locked()).map_err(failed)?;
    }
    // Kernels before 4.3 have no such set.
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(failed(error)),
    }
    limit_to(kept).map_err(failed)
}

fn kept_of(permitted: CapabilitySet) -> CapabilitySet {
    if permitted.contains(CapabilitySet::SYS_ADMIN) { KEPT } else { KEPT | IN_PLACE_OF_ADMIN }
}

fn limit_to(kept: CapabilitySet) -> Result<(), Errno> {
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })
}

fn empty_the_bounding_set() -> Result<(), Errno> {
    for number in 0..MAX_CAPABILITIES {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // Beyond the last one that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Being root means nothing any more, and nothing of that can be undone.
fn locked() -> CapabilitiesSecureBits {
    type Bits = CapabilitiesSecureBits;
    Bits::NO_ROOT
        | Bits::NO_ROOT_LOCKED
        | Bits::NO_SETUID_FIXUP
        | Bits::NO_SETUID_FIXUP_LOCKED
        | Bits::KEEP_CAPS_LOCKED
        | Bits::NO_CAP_AMBIENT_RAISE
        | Bits::NO_CAP_AMBIENT_RAISE_LOCKED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_capabilities_are_kept_only_where_no_wide_one_stands_in_for_them() {
        assert!(!kept_of(CapabilitySet::all()).intersects(IN_PLACE_OF_ADMIN));
        let few = CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::SYS_PTRACE;
        assert_eq!(few & kept_of(few), few);
    }
}
