//! The last decision about a cgroup, packed into one word: whoever reads it sees all of it or none.

/// Cgroup ids that fit. Later ones, after four billion cgroups, are looked up each time.
const ID_BITS: u32 = 32;
const USED: u64 = 1;
const WATCHED: u64 = 2;

/// Packs a decision; zero where it cannot be kept.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of a kernel program")]
#[must_use]
pub const fn note(cgroup: u64, generation: u64, watched: bool) -> u64 {
    if cgroup >> ID_BITS != 0 {
        return 0;
    }
    (generation << (ID_BITS + 2)) | (cgroup << 2) | if watched { WATCHED | USED } else { USED }
}

/// The decision about this cgroup, if `noted` holds it and nothing changed since.
#[inline(always)]
#[expect(clippy::inline_always, reason = "part of a kernel program")]
#[must_use]
pub const fn answer(noted: u64, cgroup: u64, generation: u64) -> Option<bool> {
    let same = note(cgroup, generation, false);
    if same != 0 && noted & !WATCHED == same { Some(noted & WATCHED != 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_remembered_for_its_cgroup_and_generation_alone() {
        for watched in [false, true] {
            let noted = note(7, 3, watched);
            assert_eq!(answer(noted, 7, 3), Some(watched));
            assert_eq!(answer(noted, 8, 3), None);
            assert_eq!(answer(noted, 7, 4), None);
        }
        assert_eq!(answer(0, 0, 0), None);
        let beyond = 1 << 32;
        assert_eq!(answer(note(beyond, 0, true), beyond, 0), None);
        assert_eq!(answer(note(0, 0, true), beyond, 0), None);
    }
}
