//! Storms of cgroups: many that look like containers, and one inside the other as deep as names go.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gomon::kernel::cgroupfs::Hierarchy;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, unlinkat};

use super::{books::Books, fails_meanwhile, peak_bytes, stays_within_bounds, wait};
use crate::support::{Agent, need_live_machine, unique};

/// As many as are made, removed and made again.
const MANY: usize = 5_000;
/// The longest name of a directory.
const LONGEST_NAME: usize = 255;
/// Deeper than any path is long: 4,096 bytes.
const LEVELS: usize = 24;

/// A place in the tree that gomon watches; it goes with all that lies in it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        need_live_machine();
        let hierarchy = Hierarchy::of_host(Path::new("/proc"), false).expect("cgroups are mounted");
        let place = hierarchy.mount.join(unique("cgroups"));
        fs::create_dir(&place).expect("a cgroup can be made");
        Self(place)
    }

    fn container(&self, number: usize) -> PathBuf {
        self.0.join(format!("{number:064x}"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Those that are gone already are none of its business.
        (0..MANY).for_each(|number| drop(fs::remove_dir(self.container(number))));
        let _ = fs::remove_dir(&self.0);
    }
}

fn report(agent: &mut Agent, what: &str, took: Duration, told: Duration, books: &Books) {
    let peak = peak_bytes(agent) >> 20;
    eprintln!("measured: {what} in {took:?}; told after {told:?}; peak {peak} MiB; {}", books.losses());
}

#[test]
fn thousands_of_cgroups_that_look_like_containers_hide_no_other_containers_failure() {
    let mut agent = Agent::start();
    let place = Place::new();
    let began = Instant::now();
    let (took, told) = std::thread::scope(|scope| {
        let storm = scope.spawn(|| {
            for number in 0..MANY {
                fs::create_dir(place.container(number)).expect("a cgroup can be made");
            }
            for number in 0..MANY {
                fs::remove_dir(place.container(number)).expect("an empty cgroup can be removed");
            }
            began.elapsed()
        });
        let told = fails_meanwhile(&agent);
        (storm.join().expect("the storm ends"), told)
    });
    let books = Books::balance(&agent);
    report(&mut agent, &format!("{MANY} cgroups"), took, told, &books);
    assert!(books.of("cgroup_made", "seen") >= 5_000.0);
    stays_within_bounds(&mut agent);
}

/// Makes one cgroup in the other, and removes them when dropped.
struct Nest(Vec<(OwnedFd, String)>);

impl Nest {
    fn new(top: &Path) -> io::Result<Self> {
        let directory = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut nest = Self(Vec::new());
        let mut below = open(top, directory, Mode::empty())?;
        for level in 0..LEVELS {
            let name = format!("{level:x>LONGEST_NAME$}");
            if mkdirat(&below, name.as_str(), Mode::RWXU).is_err() {
                break;
            }
            let deeper = openat(&below, name.as_str(), directory, Mode::empty())?;
            nest.0.push((std::mem::replace(&mut below, deeper), name));
        }
        Ok(nest)
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        while let Some((parent, name)) = self.0.pop() {
            let _ = unlinkat(&parent, name.as_str(), AtFlags::REMOVEDIR);
        }
    }
}

#[test]
fn cgroups_nested_deeper_than_a_path_is_long_hide_no_other_containers_failure() {
    let mut agent = Agent::start();
    let place = Place::new();
    let began = Instant::now();
    let nest = Nest::new(&place.0).expect("cgroups can be nested");
    let levels = nest.0.len();
    assert!(levels > 1, "the kernel nests cgroups");
    let told = fails_meanwhile(&agent);
    drop(nest);
    let books = Books::balance(&agent);
    report(&mut agent, &format!("{levels} levels"), began.elapsed(), told, &books);
    wait("its own cgroups to be gone", || fs::remove_dir(&place.0).is_ok().then_some(()));
    stays_within_bounds(&mut agent);
}
