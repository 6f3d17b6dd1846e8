//! The ways of hooking system calls that gomon is told to keep to, and which kernels have each.

/// One way, as `GOMON_HOOKS` names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) name: &'static str,
    /// The first kernel that has it.
    pub(super) since: (u32, u32),
    pub(super) about: &'static str,
}

/// What gomon does when it is not told.
const DEFAULT: &str = "auto";

pub(super) const WAYS: &[Way] =
    &[Way { name: DEFAULT, since: (5, 8), about: "what gomon chooses by itself" }];

impl Way {
    pub(super) fn is_default(&self) -> bool {
        self.name == DEFAULT
    }
}

/// The ways that a kernel of this release has.
pub(super) fn of_kernel(release: &str) -> Vec<&'static Way> {
    WAYS.iter().filter(|way| number(release) >= Some(way.since)).collect()
}

/// `6.1.0-18-amd64` begins with 6 and 1.
pub(super) fn number(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        assert_eq!(number("6.12.95+deb12-rt-amd64"), Some((6, 12)));
        assert!(number("6.9.1") < number("6.10"));
        assert_eq!(number("mainline"), None);
        assert!(of_kernel("5.10.0-30").iter().any(|way| way.is_default()));
    }
}
