//! Made-up processes, and the test's own.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::*;
use crate::{inspect::testing::host_with, model::living::CpuStat};

/// A process with one thread of its own number.
struct Process {
    pid: u32,
    parent: u32,
    name: &'static str,
    state: char,
    threads: u32,
    children: &'static str,
}

const fn process(pid: u32, parent: u32, children: &'static str) -> Process {
    Process { pid, parent, name: "app", state: 'S', threads: 1, children }
}

const fn zombie(pid: u32, parent: u32) -> Process {
    Process { pid, parent, name: "gone", state: 'Z', threads: 1, children: "" }
}

impl Process {
    fn status(&self) -> String {
        let Self { pid, parent, name, state, threads, .. } = self;
        format!(
            "Name:\t{name}\nUmask:\t0022\nState:\t{state} (something)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{parent}\n\
            Uid:\t1\t1000\t2\t3\nGroups:\t1 2 3 \nNStgid:\t{pid}\t12\t7\nNSpid:\t{pid}\t12\t7\nThreads:\t{threads}\n\
            SigQ:\t0/9\nSigBlk:\t0000000000000001\nSigIgn:\t8000000000001000\nSigCgt:\t0000000000004002\n"
        )
    }

    fn files(&self, tells_children: bool) -> Vec<(String, String)> {
        let Self { pid, parent, name, state, children, .. } = self;
        let mut files = vec![(format!("proc/{pid}/status"), self.status())];
        if tells_children && !children.is_empty() {
            files.push((format!("proc/{pid}/task/{pid}/children"), (*children).to_owned()));
        }
        if !tells_children {
            files.push((format!("proc/{pid}/task/{pid}/comm"), String::new()));
            files.push((format!("proc/{pid}/stat"), format!("{pid} ({name}) {state} {parent} 1 1 0\n")));
        }
        files
    }
}

fn looked(processes: &[Process], tells_children: bool, pids: &[u32]) -> Known<ProcessTable> {
    let files: Vec<_> = processes.iter().flat_map(|process| process.files(tells_children)).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (_directory, host) = host_with(&files);
    super::processes(&host, "", pids)
}

fn table(processes: &[Process], pids: &[u32]) -> ProcessTable {
    let known = looked(processes, true, pids);
    let Known::Is(table) = known else { panic!("{known:?}") };
    table
}

#[test]
fn a_status_is_read_field_by_field() {
    let one = Process { name: r"a\nState:\tZ \\ b", ..process(100, 90, "") };
    let expected = ProcessStatus {
        pid: 100,
        ns_pid: 7,
        parent_pid: 90,
        name: r"a\nState:\tZ \\ b".to_owned(),
        is_zombie: false,
        uid: 1000,
        ignored_signals: 1 << 63 | 1 << 12,
        caught_signals: 0x4002,
        blocked_signals: 1,
    };
    assert_eq!(table(&[one], &[100]).processes, [expected]);
}

#[test]
fn zombies_are_found_through_the_threads_of_their_parents() {
    let processes = [
        process(100, 1, "101 102 103 "),
        process(101, 100, "104 "),
        zombie(102, 100),
        process(103, 100, ""),
        zombie(104, 101),
        // Not a child of the container's.
        zombie(105, 1),
    ];
    for tells_children in [true, false] {
        let Known::Is(table) = looked(&processes, tells_children, &[100, 101]) else { panic!() };
        let found: Vec<_> = table.processes.iter().map(|p| (p.pid, p.parent_pid, p.is_zombie)).collect();
        let expected = [(100, 1, false), (101, 100, false), (102, 100, true), (104, 101, true)];
        assert_eq!((found.as_slice(), table.left_out), (expected.as_slice(), 0), "{tells_children}");
    }
}

#[test]
fn a_process_whose_first_thread_has_ended_is_no_zombie() {
    let leaderless = || Process { threads: 3, ..zombie(101, 100) };
    let both = table(&[process(100, 1, "101"), leaderless()], &[100, 101]);
    assert!(both.processes.iter().all(|process| !process.is_zombie));
    assert_eq!(table(&[process(100, 1, "101"), leaderless()], &[100]).processes.len(), 1);
}

#[test]
fn what_has_ended_meanwhile_is_left_out() {
    let table = table(&[process(100, 1, "101 102"), zombie(102, 7)], &[100, 103]);
    assert_eq!(
        table.processes.iter().map(|p| p.pid).collect::<Vec<_>>(),
        [100],
        "102 is another process by now"
    );
    assert!(matches!(looked(&[], true, &[100]), Known::Unknown(_)));
    assert!(matches!(looked(&[], true, &[]), Known::Unknown(_)));
}

#[test]
fn a_status_that_lacks_something_is_none() {
    let whole = process(100, 1, "").status();
    let (_directory, host) = host_with(&[("proc/100/status", &whole)]);
    assert!(matches!(super::processes(&host, "", &[100]), Known::Is(_)));
    for line in whole.lines().filter(|line| {
        ["Name", "State", "PPid", "Uid", "Threads", "SigBlk", "SigIgn", "SigCgt"]
            .iter()
            .any(|key| line.starts_with(key))
    }) {
        let without = whole.replace(line, "");
        let (_directory, host) = host_with(&[("proc/100/status", &without)]);
        assert!(matches!(super::processes(&host, "", &[100]), Known::Unknown(_)), "without {line}");
    }
}

#[test]
fn names_with_parentheses_do_not_hide_the_parent() {
    assert_eq!(status::parent_in_stat(b"12 (a) Z 7 (b)) S 34 1 1"), Some(34));
    assert_eq!(status::parent_in_stat(b"12 (\xff\xfe) Z 34"), Some(34));
    assert_eq!(status::parent_in_stat(b"12 (a"), None);
}

#[test]
fn tables_are_bounded_and_count_what_found_no_room() {
    let children: Vec<String> = (1_001..1_141).map(|pid| pid.to_string()).collect();
    let mut processes = vec![Process { children: children.join(" ").leak(), ..process(100, 1, "") }];
    processes.extend((1_001..1_141).map(|pid| zombie(pid, 100)));
    processes.extend((101..240).map(|pid| process(pid, 100, "")));
    let pids: Vec<u32> = (100..400).collect();
    let table = table(&processes, &pids);
    assert_eq!((table.processes.len(), table.left_out), (MAX_STATUSES, 140 + 300 - 256));
    assert_eq!(table.processes.iter().filter(|process| process.is_zombie).count(), MAX_ZOMBIES);
}

#[test]
fn a_child_of_this_test_that_nobody_waits_for_is_a_zombie() {
    let host = Host::local().unwrap();
    let mut child = Command::new("true").spawn().unwrap();
    let own = std::process::id();
    let deadline = Instant::now() + Duration::from_secs(10);
    let (parent, zombie) = loop {
        let Known::Is(table) = super::processes(&host, "", &[own]) else { panic!() };
        let of = |pid| table.processes.iter().find(|process| process.pid == pid).cloned();
        if let Some(zombie) = of(child.id()) {
            break (of(own).unwrap(), zombie);
        }
        assert!(Instant::now() < deadline, "{table:?}");
    };
    assert_eq!((zombie.parent_pid, zombie.is_zombie), (own, true));
    assert!(!parent.is_zombie && parent.uid == rustix::process::geteuid().as_raw());
    let by_parent = children_by_parent(&host, &BTreeSet::from([own]));
    assert!(by_parent.contains(&child.id()));
    child.wait().unwrap();
}

const V1: &str = "4:cpu,cpuacct:/docker/c\n3:memory:/docker/c\n0::/docker/c\n";
const V2: &str = "0::/kubepods/pod/c/inner\n";

/// A host whose cgroups are below `cgroups` in a directory of their own.
fn cpu_of(cgroup: &str, files: &[(&str, &str)]) -> Known<CpuStat> {
    let cgroups = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = cgroups.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let at = |name: &str| Path::new(cgroups.path()).join(name).display().to_string();
    let mounts = format!(
        "proc /proc proc rw 0 0\ncgroup {} cgroup rw,cpuset 0 0\ncgroup {} cgroup rw,cpu,cpuacct 0 0\n\
        cgroup2 {} cgroup2 rw 0 0\n",
        at("cpuset"),
        at("v1"),
        at("v2")
    );
    // The first thread of process 11 has ended, and 900 altogether.
    let (_directory, host) = host_with(&[
        ("proc/self/mounts", &mounts),
        ("proc/11/cgroup", "4:cpu,cpuacct:/\n0::/\n"),
        ("proc/12/cgroup", cgroup),
    ]);
    cpu(&host, &[900, 12, 11])
}

fn stat(periods: u64, throttled: u64, throttled_us: u64) -> Known<CpuStat> {
    Known::Is(CpuStat { periods, throttled, throttled_us })
}

#[test]
fn both_versions_of_cgroups_tell_how_often_the_quota_ran_out() {
    let first = [
        ("v1/docker/c/cpu.cfs_quota_us", "50000\n"),
        ("v1/docker/c/cpu.stat", "nr_periods 33\nnr_throttled 30\nthrottled_time 1500999\nnr_bursts 0\n"),
    ];
    assert_eq!(cpu_of(V1, &first), stat(33, 30, 1500));
    let second = [
        ("v2/kubepods/pod/c/inner/cpu.max", "50000 100000\n"),
        (
            "v2/kubepods/pod/c/inner/cpu.stat",
            "usage_usec 9\nnr_periods 5\nnr_throttled 4\nthrottled_usec 77\n",
        ),
    ];
    assert_eq!(cpu_of(V2, &second), stat(5, 4, 77));
}

#[test]
fn the_quota_may_be_that_of_a_cgroup_further_out() {
    let stat_of = |periods: u64| format!("nr_periods {periods}\nnr_throttled 1\nthrottled_usec 2\n");
    let (inner, container, pod) = (stat_of(0), stat_of(7), stat_of(9));
    let files = [
        ("v2/kubepods/pod/c/inner/cpu.max", "max 100000\n"),
        ("v2/kubepods/pod/c/inner/cpu.stat", inner.as_str()),
        ("v2/kubepods/pod/c/cpu.max", "10000 100000\n"),
        ("v2/kubepods/pod/c/cpu.stat", container.as_str()),
        ("v2/kubepods/pod/cpu.max", "20000 100000\n"),
        ("v2/kubepods/pod/cpu.stat", pod.as_str()),
    ];
    assert_eq!(cpu_of(V2, &files), stat(7, 1, 2));
    // Controllers that were not handed down have no files.
    assert_eq!(cpu_of(V2, &files[2..]), stat(7, 1, 2));
    assert_eq!(cpu_of(V2, &files[4..]), stat(9, 1, 2));
}

#[test]
fn without_a_quota_or_a_safe_path_nobody_knows() {
    let reason = |known: Known<CpuStat>| match known {
        Known::Unknown(reason) => reason,
        Known::Is(stat) => panic!("{stat:?}"),
    };
    let unlimited = [("v1/docker/c/cpu.cfs_quota_us", "-1\n"), ("v1/docker/c/cpu.stat", "nr_periods 0\n")];
    assert!(reason(cpu_of(V1, &unlimited)).contains("no cgroup around it has a CPU quota"));
    let outside = [("secret/cpu.max", "1 1"), ("secret/cpu.stat", "nr_periods 1\n")];
    assert!(reason(cpu_of("0::/../secret\n", &outside)).contains("not below gomon's own"));
    let cut = [("v1/docker/c/cpu.cfs_quota_us", "5\n"), ("v1/docker/c/cpu.stat", "nr_periods 3\n")];
    assert!(reason(cpu_of(V1, &cut)).contains("tells nothing"));
    let (_directory, host) =
        host_with(&[("proc/self/mounts", ""), ("proc/12/cgroup", "3:memory:/docker/c\n")]);
    for pids in [&[12][..], &[13], &[]] {
        assert!(reason(cpu(&host, pids)).contains("no process of it"));
    }
}
