//! Time as the kernel tells it: nanoseconds since boot, and how to read it as wall-clock time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`, `bpf_ktime_get_boot_ns`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootNs(pub u64);

impl BootNs {
    /// Nanoseconds from `earlier` to `self`; zero where `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many nanoseconds later, or the end of time.
    #[must_use]
    pub fn later(self, by_ns: u64) -> Self {
        Self(self.0.saturating_add(by_ns))
    }
}

/// The wall-clock time of boot in nanoseconds since the Unix epoch: turns [`BootNs`] into UTC.
///
/// Taken when a source opens, and anew when somebody sets the clock; both are in its recording, so that a replay prints the
/// same times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootEpoch(pub i64);

impl BootEpoch {
    /// The UTC time of `at`; the epoch itself where the sum is out of range.
    #[must_use]
    pub fn utc(self, at: BootNs) -> Timestamp {
        let nanos = i128::from(self.0) + i128::from(at.0);
        Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// RFC 3339 in UTC with millisecond precision, e.g. `2026-03-01T09:30:00.125Z`.
    #[must_use]
    pub fn rfc3339(self, at: BootNs) -> String {
        format!("{:.3}", self.utc(at))
    }
}

/// The day of a Unix time in UTC, e.g. `2026-03-01`; the epoch's where it is out of range.
#[must_use]
pub fn day(unix_s: i64) -> String {
    let at = Timestamp::from_second(unix_s).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d").to_string()
}

/// Milliseconds in nanoseconds.
pub const MS: u64 = 1_000_000;
/// Seconds in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_reads_as_utc_with_milliseconds() {
        let epoch = BootEpoch(1_700_000_000_000_000_000);
        assert_eq!(epoch.rfc3339(BootNs(1_250 * MS)), "2023-11-14T22:13:21.250Z");
        assert_eq!(day(1_700_000_001), "2023-11-14");
    }
}
