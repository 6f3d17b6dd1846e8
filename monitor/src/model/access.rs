//! Who may read, write, execute or search a file: the kernel's discretionary check as a pure function.

use super::fact::{Config, File, FileKind};

pub const READ: u32 = 4;
pub const WRITE: u32 = 2;
/// Execute a file, search a directory.
pub const EXECUTE: u32 = 1;

/// capabilities(7).
pub const CAP_DAC_OVERRIDE: u64 = 1 << 1;
pub const CAP_DAC_READ_SEARCH: u64 = 1 << 2;

/// The fourteen that Docker grants by default (`oci/caps/defaults.go` of moby).
pub const DOCKER_CAPS: u64 = 0xa804_25fb;

/// The credentials of a container's first process, as its own user namespace numbers them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// Bit mask by capability number.
    pub effective_caps: u64,
}

impl User {
    /// The user that a configuration names. A configuration without an effective set grants none.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            uid: config.uid,
            gid: config.gid,
            groups: config.additional_gids.clone(),
            effective_caps: config.effective_caps.unwrap_or_default(),
        }
    }

    /// Whether a file's mode and owner let this user at it. Access control lists are not looked at.
    #[must_use]
    pub fn may_access(&self, file: &File, bits: u32) -> bool {
        may(self, file.kind, file.mode, (file.uid, file.gid), bits)
    }

    fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// `generic_permission` of fs/namei.c without access control lists: `mode` is `st_mode & 0o7777`, `owner` uid and gid,
/// `bits` a sum of [`READ`], [`WRITE`] and [`EXECUTE`].
#[must_use]
pub fn may(user: &User, kind: FileKind, mode: u32, owner: (u32, u32), bits: u32) -> bool {
    let granted = if user.uid == owner.0 {
        mode >> 6
    } else if user.in_group(owner.1) {
        mode >> 3
    } else {
        mode
    };
    if granted & bits == bits {
        return true;
    }
    let has = |caps: u64| user.effective_caps & caps != 0;
    match kind {
        FileKind::Directory => has(CAP_DAC_OVERRIDE) || (bits & WRITE == 0 && has(CAP_DAC_READ_SEARCH)),
        FileKind::Regular | FileKind::Other => {
            // Nobody executes a file without a single execute bit, whatever its capabilities.
            let executable_by_someone = bits & EXECUTE == 0 || mode & 0o111 != 0;
            (has(CAP_DAC_OVERRIDE) && executable_by_someone) || (bits == READ && has(CAP_DAC_READ_SEARCH))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32, groups: &[u32], effective_caps: u64) -> User {
        User { uid, gid: uid, groups: groups.to_vec(), effective_caps }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let owner = user(1000, &[], 0);
        assert!(may(&owner, FileKind::Regular, 0o700, (1000, 0), EXECUTE));
        assert!(!may(&owner, FileKind::Regular, 0o077, (1000, 0), READ));
        assert!(may(&user(1, &[50], 0), FileKind::Regular, 0o050, (0, 50), READ | EXECUTE));
        assert!(!may(&user(1, &[50], 0), FileKind::Regular, 0o705, (0, 50), READ));
        assert!(may(&user(1, &[], 0), FileKind::Directory, 0o711, (0, 0), EXECUTE));
        assert!(!may(&user(1, &[], 0), FileKind::Directory, 0o700, (0, 0), EXECUTE));
    }

    #[test]
    fn root_is_its_capabilities_and_no_more() {
        let closed = (1000, 1000);
        assert!(!may(&user(0, &[], 0), FileKind::Regular, 0o600, closed, READ));
        let root = user(0, &[], CAP_DAC_OVERRIDE);
        assert!(may(&root, FileKind::Regular, 0o600, closed, READ | WRITE));
        assert!(!may(&root, FileKind::Regular, 0o644, closed, EXECUTE), "no execute bit at all");
        assert!(may(&root, FileKind::Regular, 0o100, closed, EXECUTE));
        assert!(may(&root, FileKind::Directory, 0o000, closed, WRITE | EXECUTE));
    }

    #[test]
    fn read_search_opens_directories_and_reads_files() {
        let reader = user(7, &[], CAP_DAC_READ_SEARCH);
        assert!(may(&reader, FileKind::Directory, 0o700, (0, 0), EXECUTE));
        assert!(!may(&reader, FileKind::Directory, 0o700, (0, 0), WRITE));
        assert!(may(&reader, FileKind::Regular, 0o600, (0, 0), READ));
        assert!(!may(&reader, FileKind::Regular, 0o711, (0, 0), READ | EXECUTE));
    }
}
