//! What is odd, or meant to mislead: ids that come back, processes that change their cgroup, namespaces of every kind.

use std::{fs, os::fd::AsRawFd, path::PathBuf, process::Stdio};

use serde_json::json;

use super::{
    GLIBC, STATIC, Who,
    oci::{Bundle, Oci, cgroup_of, command},
};
use crate::support::{Agent, Container, docker_ok, fence, skip, unique, wait_for};

#[test]
fn an_id_that_comes_back_is_another_life_with_files_of_its_own() {
    let Some(runc) = Oci::new("runc") else { return skip("ids that come back", "runc is not installed") };
    let agent = Agent::start();
    let id = unique("reused");
    let first = Bundle::new(&id, &[GLIBC]);
    runc.run(&first);
    let who = Who::new("runc", &id, &id);
    who.failed(&agent);
    assert_eq!(runc.run(&Bundle::new(&id, &[STATIC, "ok"])).code, Some(0));
    let named = json!({"io.kubernetes.container.name": "renamed"});
    let third = Bundle::new(&id, &["/app/sevrer"]).annotations(named);
    runc.run(&third);
    let found = wait_for("the diagnosis of the third life", || {
        agent.diagnoses(&id).into_iter().find(|one| one["pattern"] == "entrypoint-not-found")
    });
    assert_eq!(found["target"]["name"], "renamed", "{found:#}");
    assert_eq!(agent.diagnoses(&id).len(), 2);
}

#[test]
fn namespaces_that_are_shared_or_stacked_do_not_hide_whose_a_process_is() {
    let Some(runc) = Oci::new("runc") else { return skip("namespaces", "runc is not installed") };
    let agent = Agent::start();
    let of = |what: &str| Bundle::new(&unique(what), &[GLIBC]);
    let kinds =
        |kinds: &[&str]| -> serde_json::Value { kinds.iter().map(|kind| json!({ "type": kind })).collect() };
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    let bundles = [
        of("own-cgroups").with(|config| {
            config["linux"]["namespaces"] = kinds(&["pid", "mount", "ipc", "uts", "cgroup"]);
        }),
        of("host-pids").with(|config| {
            config["linux"]["namespaces"] = kinds(&["mount", "ipc", "uts"]);
            let proc =
                json!({"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]});
            config["mounts"][0] = proc;
        }),
        of("own-users").with(|config| {
            config["linux"]["namespaces"] = kinds(&["pid", "mount", "ipc", "uts", "user", "network"]);
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
        }),
        of("deep")
            .with(|config| config["linux"]["cgroupsPath"] = format!("/a/b/c/{}", unique("leaf")).into()),
    ];
    for bundle in &bundles {
        let said = runc.run(bundle);
        assert!(said.err.contains(GLIBC), "{}: {said:?}", bundle.id);
        Who::new("runc", &bundle.id, &bundle.id).failed(&agent);
    }
    for parent in ["a/b/c", "a/b", "a"] {
        let _ = fs::remove_dir(tree().join(parent));
    }
}

/// Where the hierarchy is mounted that containers are keyed by.
fn tree() -> PathBuf {
    let hybrid = PathBuf::from("/sys/fs/cgroup/unified");
    if hybrid.exists() { hybrid } else { PathBuf::from("/sys/fs/cgroup") }
}

#[test]
fn a_process_counts_to_the_container_whose_cgroup_it_is_in_at_that_moment() {
    let agent = Agent::start();
    let container = Container::new("moved", "scratch", &[STATIC, "serve"]);
    container.serve();
    let own = cgroup_of(container.pid());
    let cgroup = tree().join(own.strip_prefix("/").unwrap());
    let failures = || {
        let labels = [("container", container.name.as_str()), ("errno", "ENOENT")];
        agent.metrics().sum("gomon_container_exec_failures_total", &labels).unwrap_or_default()
    };
    // A shell of the host comes in, fails, leaves, and fails again.
    let script = "echo $$ > $1/cgroup.procs; (exec /no/such/program) 2>&-; echo $$ > $2/cgroup.procs; \
        (exec /no/such/program) 2>&-; true";
    let [inside, outside] = [&cgroup, &tree()].map(|path| path.display().to_string());
    let mut shell = command(&["sh", "-c", script, "sh", &inside, &outside]);
    assert!(shell.stdout(Stdio::null()).status().unwrap().success());
    fence(&agent);
    assert!((failures() - 1.0).abs() < 0.5, "{}", failures());
    // Born in it: no event tells of a change.
    born_in(&cgroup);
    wait_for("the second failure", || ((failures() - 2.0).abs() < 0.5).then_some(()));
}

#[test]
fn a_container_that_is_renamed_while_it_runs_fails_under_its_new_name() {
    let agent = Agent::start();
    let script = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.05; done; exec /app/probe.glibc";
    let container = Container::new("renamed", "musl", &["/bin/sh", "-c", script]);
    container.serve();
    let id = container.id();
    let is_called = |name: &str| agent.metrics().sum("gomon_container_info", &[("container", name)]);
    wait_for("its first name", || is_called(&container.name));
    let new = unique("new-name");
    docker_ok(&["rename", &id, &new]);
    wait_for("its new name", || is_called(&new));
    assert_eq!(is_called(&container.name), None);
    docker_ok(&["exec", &id, "touch", "/tmp/go"]);
    let found = wait_for("the diagnosis", || agent.diagnoses(&id).pop());
    docker_ok(&["rename", &id, &container.name]);
    assert_eq!(found["target"]["name"], new.as_str(), "{found:#}");
}

#[test]
fn an_oom_kill_is_told_with_the_limit_of_that_moment() {
    let script = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.05; done; exec /app/probe.static leak";
    let container = Container::new("updated", "musl", &["/bin/sh", "-c", script]).with(&["--memory", "512m"]);
    container.serve();
    let agent = Agent::start();
    docker_ok(&["update", "--memory", "32m", "--memory-swap", "32m", &container.name]);
    docker_ok(&["exec", &container.name, "touch", "/tmp/go"]);
    assert_eq!(container.wait(), 137);
    let found = wait_for("the diagnosis", || agent.diagnoses(&container.id()).pop());
    assert_eq!(found["pattern"], "oom-kill");
    let summary = found["summary"].as_str().unwrap();
    assert!(summary.contains("at its limit of 32"), "{found:#}");
}

/// A child that clone3(2) puts into the cgroup, where its execve fails.
fn born_in(cgroup: &std::path::Path) {
    /// Of include/uapi/linux/sched.h: libc's has the wrong width.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let directory = fs::File::open(cgroup).unwrap();
    // SAFETY: all zeros is a valid value of this plain structure.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP | u64::try_from(libc::CLONE_VFORK).unwrap();
    args.exit_signal = u64::try_from(libc::SIGCHLD).unwrap();
    args.cgroup = u64::try_from(directory.as_raw_fd()).unwrap();
    let (program, none) = (c"/no/such/program", [std::ptr::null::<libc::c_char>()]);
    // SAFETY: the child has a copy of this memory, calls nothing but execve(2) and _exit(2), and never returns.
    unsafe {
        let pid = libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>());
        if pid == 0 {
            libc::execve(program.as_ptr(), none.as_ptr(), none.as_ptr());
            libc::_exit(0);
        }
        assert!(pid > 0, "clone3: {}", std::io::Error::last_os_error());
        libc::waitpid(i32::try_from(pid).unwrap(), std::ptr::null_mut(), 0);
    }
}
