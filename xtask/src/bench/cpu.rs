//! Which CPUs this process and its future children run on.

use std::io;
use std::mem;

use anyhow::{Result, bail};

/// The first CPU does most of a machine's chores; what is measured sits on the last.
pub(super) fn last() -> Result<usize> {
    let allowed = allowed()?;
    let set = usize::try_from(libc::CPU_SETSIZE)?;
    // SAFETY: CPU_ISSET checks its bounds.
    Ok((0..set).rev().find(|cpu| unsafe { libc::CPU_ISSET(*cpu, &allowed) }).unwrap_or(0))
}

/// Keeps this thread on one CPU.
pub(super) fn stay_on(cpu: usize) -> Result<()> {
    // SAFETY: an all-zero set is a valid empty one, and CPU_SET checks its bounds.
    let set = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    allow(&set)
}

/// Keeps this thread and the children that it starts off the CPU that is measured; everything is allowed again when
/// dropped.
pub(super) struct Away {
    before: libc::cpu_set_t,
}

impl Away {
    pub(super) fn from(cpu: usize) -> Result<Self> {
        let before = allowed()?;
        let mut others = before;
        // SAFETY: CPU_CLR checks its bounds; a set of this type can be counted.
        let count = unsafe {
            libc::CPU_CLR(cpu, &mut others);
            libc::CPU_COUNT(&others)
        };
        if count > 0 {
            allow(&others)?;
        }
        Ok(Self { before })
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // It was allowed before.
        let _ = allow(&self.before);
    }
}

fn allowed() -> Result<libc::cpu_set_t> {
    // SAFETY: an all-zero set is a valid one, as long as is said, and the kernel fills it.
    let (failed, set) = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set), set)
    };
    if failed != 0 {
        bail!("cannot tell the CPUs of this process: {}", io::Error::last_os_error());
    }
    Ok(set)
}

fn allow(set: &libc::cpu_set_t) -> Result<()> {
    // SAFETY: a set that is as long as is said.
    if unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) } != 0 {
        bail!("cannot choose the CPUs of this process: {}", io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_is_left_out_until_the_end() {
        let is_only = std::thread::available_parallelism().unwrap().get() == 1;
        let cpu = last().unwrap();
        // SAFETY: CPU_ISSET checks its bounds.
        let is_allowed = || unsafe { libc::CPU_ISSET(cpu, &allowed().unwrap()) };
        let away = Away::from(cpu).unwrap();
        assert_eq!(is_allowed(), is_only);
        drop(away);
        assert!(is_allowed());
    }
}
