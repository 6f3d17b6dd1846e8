//! Spans of time as people read them. Never used in machine output.

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;
const SECOND: u64 = 1_000 * MILLI;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Nanoseconds in the two units that matter: `0.35 ms`, `12 s`, `3 min 20 s`, `2 d 4 h`.
#[must_use]
pub fn human(nanos: u64) -> String {
    match nanos {
        0 => "0 ms".to_owned(),
        1..SECOND => format!("{}.{:02} ms", nanos / MILLI, nanos % MILLI / (10 * MICRO)),
        SECOND..MINUTE => format!("{}.{} s", nanos / SECOND, nanos % SECOND / (100 * MILLI)),
        MINUTE..HOUR => pair(nanos, MINUTE, "min", SECOND, "s"),
        HOUR..DAY => pair(nanos, HOUR, "h", MINUTE, "min"),
        DAY.. => pair(nanos, DAY, "d", HOUR, "h"),
    }
}

fn pair(nanos: u64, large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match nanos % large / small {
        0 => format!("{} {large_unit}", nanos / large),
        rest => format!("{} {large_unit} {rest} {small_unit}", nanos / large),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_in_the_two_units_that_matter() {
        assert_eq!(human(0), "0 ms");
        assert_eq!(human(350 * MICRO), "0.35 ms");
        assert_eq!(human(12_450 * MILLI), "12.4 s");
        assert_eq!(human(200 * SECOND), "3 min 20 s");
        assert_eq!(human(HOUR), "1 h");
        assert_eq!(human(52 * HOUR), "2 d 4 h");
    }
}
