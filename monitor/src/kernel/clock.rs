//! The clock of kernel events, and how it stands to the others: the wall clock can be set, and the machine can sleep.

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::{BootEpoch, BootNs, MS};

/// Smaller changes are the error of reading clocks one after another.
const NOTICED_NS: u64 = 10 * MS;
/// Clocks that were read further apart were not read together.
const TOGETHER_NS: i64 = 1_000_000;
/// So often one tries to read them together.
const TRIES: u32 = 4;

fn nanos(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

/// Now, as `bpf_ktime_get_boot_ns` counts it.
pub fn now() -> BootNs {
    BootNs(u64::try_from(nanos(ClockId::Boottime)).unwrap_or(0))
}

/// The wall-clock time of boot, as the clocks tell it now.
pub fn boot_epoch() -> BootEpoch {
    BootEpoch(nanos(ClockId::Realtime) - nanos(ClockId::Boottime))
}

/// What tells this boot from others, random(4).
pub fn boot_id() -> std::io::Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

/// All clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// `CLOCK_BOOTTIME` goes on while the machine sleeps, `CLOCK_MONOTONIC` does not; neither can be set.
    boot: i64,
    monotonic: i64,
    /// `CLOCK_REALTIME` can be set.
    wall: i64,
}

impl Reading {
    /// `None` where others keep this thread from reading them together.
    fn now() -> Option<Self> {
        (0..TRIES).find_map(|_| {
            let boot = nanos(ClockId::Boottime);
            let (monotonic, wall) = (nanos(ClockId::Monotonic), nanos(ClockId::Realtime));
            (nanos(ClockId::Boottime) - boot < TOGETHER_NS).then_some(Self { boot, monotonic, wall })
        })
    }
}

/// Follows what the clocks do to each other.
#[derive(Debug)]
pub struct Clocks {
    epoch: BootEpoch,
    /// How long the machine has slept since boot.
    asleep_ns: i64,
}

/// What happened since the clocks were last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// The machine slept so long, up to about now.
    pub slept_ns: Option<u64>,
    /// The wall clock was set: this is the time of boot now.
    pub epoch: Option<BootEpoch>,
}

impl Clocks {
    /// From `epoch` on, which others were told.
    pub fn follow(epoch: BootEpoch) -> Self {
        let asleep_ns = nanos(ClockId::Boottime) - nanos(ClockId::Monotonic);
        Self { epoch, asleep_ns }
    }

    /// What has happened since the last call.
    pub fn changes(&mut self) -> Changes {
        Reading::now().map_or_else(Changes::default, |reading| self.compare(reading))
    }

    fn compare(&mut self, Reading { boot, monotonic, wall }: Reading) -> Changes {
        let mut changes = Changes::default();
        let asleep_ns = boot - monotonic;
        if let Ok(slept_ns @ NOTICED_NS..) = u64::try_from(asleep_ns - self.asleep_ns) {
            changes.slept_ns = Some(slept_ns);
            self.asleep_ns = asleep_ns;
        }
        let epoch = BootEpoch(wall - boot);
        if epoch.0.abs_diff(self.epoch.0) >= NOTICED_NS {
            changes.epoch = Some(epoch);
            self.epoch = epoch;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: i64 = 1_700_000_000_000_000_000;
    const SECOND: i64 = 1_000_000_000;

    fn reading(boot: i64, asleep: i64, epoch: i64) -> Reading {
        Reading { boot, monotonic: boot - asleep, wall: epoch + boot }
    }

    fn clocks() -> Clocks {
        Clocks { epoch: BootEpoch(EPOCH), asleep_ns: SECOND }
    }

    #[test]
    fn time_that_passes_is_no_change_and_neither_is_the_error_of_reading() {
        let mut clocks = clocks();
        for boot in 1..10 {
            let read = reading(boot * 3600 * SECOND, SECOND + boot * 1000, EPOCH - boot * 1000);
            assert_eq!(clocks.compare(read), Changes::default());
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_is_told_once_in_both_directions() {
        let mut clocks = clocks();
        for epoch in [EPOCH + 3600 * SECOND, EPOCH - 3600 * SECOND] {
            let set = Changes { epoch: Some(BootEpoch(epoch)), slept_ns: None };
            assert_eq!(clocks.compare(reading(10 * SECOND, SECOND, epoch)), set);
            assert_eq!(clocks.compare(reading(11 * SECOND, SECOND, epoch)), Changes::default());
        }
    }

    #[test]
    fn a_sleep_is_told_once_and_does_not_set_the_wall_clock() {
        let mut clocks = clocks();
        let slept = Changes { slept_ns: Some(3600 * 1_000_000_000), epoch: None };
        assert_eq!(clocks.compare(reading(3700 * SECOND, 3601 * SECOND, EPOCH)), slept);
        assert_eq!(clocks.compare(reading(3701 * SECOND, 3601 * SECOND, EPOCH)), Changes::default());
    }

    #[test]
    fn the_clocks_of_this_machine_stand_still_to_each_other() {
        let mut clocks = Clocks::follow(boot_epoch());
        // Whatever sets this machine's clock meanwhile, it does not sleep.
        assert_eq!(clocks.changes().slept_ns, None);
    }
}
