//! Gives up for good what a process that has attached its probes no longer needs: user, capabilities, system calls.
//! Never decides whether that is wanted.
//!
//! Most of it holds for the calling thread and those that it starts: call it before there are others.

mod calls;
mod privileges;
mod threads;

use std::{fmt, fs, os::unix::fs::MetadataExt as _, path::PathBuf};

pub use privileges::{KEPT, UID};

/// One restraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restraint {
    /// No file is this process's own, and no process.
    User,
    Capabilities,
    /// No program that it starts could get more.
    NoNewPrivileges,
    /// Calls that gomon never makes are refused.
    SystemCalls,
}

impl Restraint {
    pub const ALL: [Self; 4] = [Self::User, Self::Capabilities, Self::NoNewPrivileges, Self::SystemCalls];

    /// The value of the label `restraint` of `gomon_confined`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::SystemCalls => "system_calls",
        }
    }
}

/// What is in force, and why the rest is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    pub in_force: Vec<Restraint>,
    /// With the kernel's reason.
    pub failed: Vec<(Restraint, String)>,
}

impl Confinement {
    #[must_use]
    pub fn has(&self, restraint: Restraint) -> bool {
        self.in_force.contains(&restraint)
    }

    fn of(outcomes: impl IntoIterator<Item = (Restraint, Result<(), String>)>) -> Self {
        let mut confinement = Self::default();
        for (restraint, outcome) in outcomes {
            match outcome {
                Ok(()) => confinement.in_force.push(restraint),
                Err(why) => confinement.failed.push((restraint, why)),
            }
        }
        confinement
    }

    /// What does not hold for every thread is not in force.
    fn only_what_holds(mut self) -> Self {
        for (restraint, why) in threads::loose(&self.in_force) {
            self.in_force.retain(|one| *one != restraint);
            self.failed.push((restraint, why));
        }
        self
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.in_force.iter().map(|restraint| restraint.name()).collect();
        match names.as_slice() {
            [] => out.write_str("nothing"),
            names => out.write_str(&names.join(", ")),
        }
    }
}

/// Confines a process that runs for long and that nobody looks after: it gets a user of its own.
///
/// `sockets` are those that it was told to use later; it keeps the groups that may.
#[must_use]
pub fn agent(sockets: &[PathBuf]) -> Confinement {
    confine(Some(&groups(sockets)))
}

/// Confines a command of the user who started it: what that user may open, it still may.
#[must_use]
pub fn command() -> Confinement {
    confine(None)
}

/// With a user of its own where there are `groups` for it.
fn confine(groups: Option<&[u32]>) -> Confinement {
    let mut outcomes = vec![(Restraint::NoNewPrivileges, privileges::no_new_ones())];
    if let Some(groups) = groups {
        outcomes.push((Restraint::User, privileges::change_user(groups)));
    }
    outcomes.push((Restraint::Capabilities, privileges::drop_capabilities()));
    // The last one: it refuses what the others need.
    outcomes.push((Restraint::SystemCalls, calls::refuse_on_all_threads()));
    Confinement::of(outcomes).only_what_holds()
}

/// The groups whose members may write to these sockets.
fn groups(sockets: &[PathBuf]) -> Vec<u32> {
    const GROUP_WRITES: u32 = 0o020;
    let found = sockets.iter().filter_map(|socket| fs::metadata(socket).ok());
    let mut groups: Vec<u32> =
        found.filter(|socket| socket.mode() & GROUP_WRITES != 0).map(|socket| socket.gid()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_socket_gives_its_group_only_where_the_group_may_use_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str, mode| {
            let path = directory.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let own = fs::metadata(directory.path()).unwrap().gid();
        let absent = directory.path().join("absent");
        assert_eq!(groups(&[path("closed", 0o600), absent.clone()]), Vec::<u32>::new());
        assert_eq!(groups(&[path("a", 0o660), path("b", 0o660), absent]), [own]);
    }
}
