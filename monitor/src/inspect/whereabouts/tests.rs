//! Cgroups as real runtimes leave them beside their files and processes, and as somebody imitates them.

use std::os::unix::fs::{chown, symlink};

use super::*;
use crate::model::container::{CgroupId, Run};
use crate::{
    inspect::{Deadline, at_birth, testing::nobody_watches},
    model::fact::{Fact, Known},
};

const ID: &str = "3f2a9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011";
const TASKS: &str = "run/containerd/io.containerd.runtime.v2.task";

/// A host in a directory, with its processes.
struct Machine {
    dir: tempfile::TempDir,
    host: Host,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("proc/1/ns")).unwrap();
        fs::write(dir.path().join("proc/1/ns/mnt"), "").unwrap();
        let host = Host::new(dir.path(), &dir.path().join("proc")).unwrap();
        Self { dir, host }
    }

    /// A bundle below the root whose container has this `cgroupsPath`.
    fn bundle(self, path: &str, cgroups_path: &str) -> Self {
        let at = self.dir.path().join(path);
        fs::create_dir_all(&at).unwrap();
        let config = format!(r#"{{"process":{{"args":["/x"]}},"linux":{{"cgroupsPath":"{cgroups_path}"}}}}"#);
        fs::write(at.join("config.json"), config).unwrap();
        self
    }

    /// A process in the host's mount namespace, or in one whose root is `root`.
    fn process(self, pid: u32, parent: u32, cwd: &str, line: &str, root: Option<&str>) -> Self {
        let at = self.dir.path().join(format!("proc/{pid}"));
        fs::create_dir_all(at.join("ns")).unwrap();
        fs::write(at.join("cmdline"), line.replace(' ', "\0") + "\0").unwrap();
        fs::write(at.join("status"), format!("Name:\tx\nPPid:\t{parent}\n")).unwrap();
        symlink(cwd, at.join("cwd")).unwrap();
        symlink("/proc/self/mountinfo", at.join("mountinfo")).unwrap();
        symlink(self.dir.path().join(root.unwrap_or_default()), at.join("root")).unwrap();
        match root {
            None => fs::hard_link(self.dir.path().join("proc/1/ns/mnt"), at.join("ns/mnt")).unwrap(),
            Some(_) => fs::write(at.join("ns/mnt"), "").unwrap(),
        }
        self
    }

    fn look(&self, path: &str, maker: Option<u32>, member: Option<u32>, within: bool) -> (Proof, String) {
        let named = attribution::named(path).map(|named| named.id);
        let run = Run { container: ContainerId("outer".into()), cgroup: CgroupId(1) };
        let question = Question { named, within: within.then_some(run) };
        let maker = maker.map(|pid| Maker { pid, comm: "", command: &[] });
        self.of(Cgroup { path, question: &question, maker, member, neighbour: None })
    }

    fn of(&self, cgroup: Cgroup<'_>) -> (Proof, String) {
        let (proof, found) = of_cgroup(&self.host, cgroup);
        let bundle = found.and_then(|found| found.bundle).map(|bundle| bundle.path.display().to_string());
        (proof, bundle.unwrap_or_default())
    }
}

fn is(id: &str, bundle: &str) -> (Proof, String) {
    (Proof::Container(ContainerId(id.into())), bundle.to_owned())
}

fn nothing() -> (Proof, String) {
    (Proof::Nothing, String::new())
}

#[test]
fn the_runtime_that_makes_the_cgroup_names_the_bundle_wherever_it_lies() {
    let machine = Machine::new()
        .bundle("srv/web", "")
        .bundle("srv/other", "/made/elsewhere")
        .bundle("srv/state/io.containerd.runtime.v2.task/default/redis", "/default/redis")
        .process(7, 1, "/srv/web", "runc --root /odd run web", None)
        .process(8, 1, "/", "/usr/bin/crun run -b /srv/other web", None)
        .process(9, 1, "/srv/state/io.containerd.runtime.v2.task/default/redis", "runc create redis", None)
        .process(10, 1, "/", "/lib/systemd/systemd", None);
    assert_eq!(machine.look("/web", Some(7), None, false), is("web", "/srv/web"));
    assert_eq!(machine.look("/other/web2", Some(7), None, false), nothing());
    assert_eq!(machine.look("/web", Some(8), None, false), nothing());
    assert_eq!(machine.look("/made/elsewhere", Some(8), None, false), is("web", "/srv/other"));
    let tasks = "/srv/state/io.containerd.runtime.v2.task/default/redis";
    assert_eq!(machine.look("/default/redis", Some(9), None, false), is("default/redis", tasks));
    assert_eq!(machine.look("/default", Some(9), None, false), nothing());
    assert_eq!(machine.look("/web", Some(10), None, false), nothing());
    // It is gone already.
    assert_eq!(machine.look("/web", Some(11), None, false), nothing());
}

#[test]
fn a_runtime_that_is_gone_is_known_by_the_command_that_came_with_the_event() {
    let machine = Machine::new().bundle("srv/web", "");
    let question = Question { named: None, within: None };
    let of = |path: &str, comm: &str, line: &str| {
        let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let maker = Some(Maker { pid: 99, comm, command: &command });
        machine.of(Cgroup { path, question: &question, maker, member: None, neighbour: None })
    };
    assert_eq!(of("/web", "runc", "runc run --bundle /srv/web web"), is("web", "/srv/web"));
    // The beginning of a long line is cut off.
    assert_eq!(of("/web", "crun", "g=/x/log run -b /srv/web web"), is("web", "/srv/web"));
    assert_eq!(of("/gone", "runc", "runc run --bundle /srv/gone gone"), is("gone", "/srv/gone"));
    assert_eq!(of("/near", "runc", "runc run near"), is("near", ""));
    assert_eq!(of("/default", "runc", "runc create --bundle /srv/gone gone"), nothing());
    assert_eq!(of("/web", "mkdir", "mkdir /sys/fs/cgroup/web"), nothing());
}

#[test]
fn what_goes_with_a_container_is_in_hand_before_it_goes() {
    let machine =
        Machine::new().bundle("srv/web", "").process(7, 1, "/srv/web", "runc --root /odd run web", None);
    let question = Question { named: None, within: None };
    let maker = Some(Maker { pid: 7, comm: "runc", command: &[] });
    let cgroup = Cgroup { path: "/web", question: &question, maker, member: None, neighbour: None };
    let (_, found) = of_cgroup(&machine.host, cgroup);
    fs::remove_dir_all(machine.dir.path().join("srv/web")).unwrap();
    let found = found.unwrap();
    let config = |facts: Vec<Fact>| {
        facts.into_iter().find_map(|fact| if let Fact::Config(config) = fact { Some(config) } else { None })
    };
    let first = config(at_birth(&machine.host, &found, &nobody_watches, Deadline::never()));
    assert!(matches!(first, Some(Known::Is(config)) if config.args == ["/x"]));
    // It is held for the first who looks, and no longer.
    let second = config(at_birth(&machine.host, &found, &nobody_watches, Deadline::never()));
    assert!(matches!(second, Some(Known::Unknown(_))));
}

#[test]
fn a_container_that_was_there_before_is_told_by_what_watches_over_it() {
    let tasks = "/srv/state/io.containerd.runtime.v2.task/k8s.io";
    let shim = "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id sandbox";
    let machine = Machine::new()
        .bundle(
            &format!("srv/state/io.containerd.runtime.v2.task/k8s.io/{ID}"),
            &format!("/kubepods/pod1/{ID}"),
        )
        .bundle("srv/web", "/web")
        .process(20, 1, &format!("{tasks}/sandbox"), shim, None)
        .process(21, 20, "/", "/app", None)
        .process(22, 21, "/", "/app child", None)
        .process(30, 1, "/srv/web", "runc run web", None)
        .process(31, 30, "/", "/app", None);
    let path = format!("/kubepods/pod1/{ID}");
    assert_eq!(machine.look(&path, None, Some(22), false), is(ID, &format!("{tasks}/{ID}")));
    assert_eq!(machine.look("/web", None, Some(31), false), is("web", "/srv/web"));
    assert_eq!(machine.look("/kubepods/pod1", None, Some(22), false), nothing());
}

#[test]
fn containers_in_their_known_places_need_nobody_to_tell() {
    let machine = Machine::new()
        .bundle(&format!("{TASKS}/default/redis"), "/default/redis")
        .bundle(&format!("{TASKS}/other/redis"), "/other/redis")
        .bundle(&format!("{TASKS}/k8s.io/{ID}"), &format!("kubepods-pod1.slice:cri-containerd:{ID}"));
    let at = |place: &str| format!("/{TASKS}/{place}");
    assert_eq!(machine.look("/other/redis", None, None, false), is("other/redis", &at("other/redis")));
    assert_eq!(machine.look("/default/redis", None, None, false), is("default/redis", &at("default/redis")));
    assert_eq!(machine.look("/system.slice/redis", None, None, false), nothing());
    let scope = format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope");
    assert_eq!(machine.look(&scope, None, None, false), is(ID, &at(&format!("k8s.io/{ID}"))));
}

#[test]
fn the_session_of_a_user_has_no_containers_of_root() {
    let path = format!("/user.slice/user-1000.slice/user@1000.service/{ID}");
    let imitation = (Proof::Imitation, String::new());
    let alive = Machine::new().bundle(&format!("{TASKS}/k8s.io/{ID}"), "/kubepods/x");
    let dead = Machine::new();
    let kept = dead.dir.path().join(format!("var/lib/docker/containers/{ID}"));
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("config.v2.json"), "{}").unwrap();
    if !rustix::process::geteuid().is_root() {
        // The owner of a file cannot be chosen: all of them are this user's.
        assert_eq!(dead.look(&path, None, None, false), imitation);
        return;
    }
    for machine in [alive, dead] {
        assert_eq!(machine.look(&path, None, None, false), imitation);
    }
    let place = "run/user/1000/containers/overlay-containers";
    let rootless = Machine::new().bundle(&format!("{place}/{ID}/userdata"), "");
    let bundle = rootless.dir.path().join(format!("{place}/{ID}/userdata"));
    chown(&bundle, Some(1000), None).unwrap();
    assert_eq!(rootless.look(&path, None, None, false), is(ID, &format!("/{place}/{ID}/userdata")));
    assert_eq!(Machine::new().look(&path, None, None, false), nothing());
}

#[test]
fn what_a_container_keeps_is_looked_for_in_the_container() {
    let inner = format!("outer/{TASKS}/k8s.io/{ID}");
    let path = format!("/docker/outer/kubelet.slice/cri-containerd-{ID}.scope");
    let machine = Machine::new()
        .bundle(&inner, "")
        .bundle("outer/srv/web", "")
        .process(40, 1, "/", "/lib/systemd/systemd", Some("outer"))
        .process(41, 1, "/srv/web", "runc run web", Some("outer"))
        .process(42, 1, "/", "sh", None);
    assert_eq!(machine.look(&path, Some(40), None, true), is(ID, &format!("/{TASKS}/k8s.io/{ID}")));
    assert_eq!(machine.look("/docker/outer/web", Some(41), None, true), is("web", "/srv/web"));
    // The runtime is gone; a process of the container around it still sees the same files.
    let run = Run { container: ContainerId("outer".into()), cgroup: CgroupId(1) };
    let question = Question { named: None, within: Some(run) };
    let command = ["runc", "run", "--bundle", "/srv/web", "web"].map(str::to_owned);
    let maker = Some(Maker { pid: 99, comm: "runc", command: &command });
    let gone = |neighbour| {
        machine.of(Cgroup { path: "/docker/outer/web", question: &question, maker, member: None, neighbour })
    };
    assert_eq!((gone(Some(40)), gone(None)), (is("web", "/srv/web"), nothing()));
    // The host's files say nothing about what is inside, and a process of the host has made no container.
    assert_eq!(machine.look(&path, Some(42), None, true), nothing());
    // The id is one of the host's.
    let machine = machine.bundle(&format!("{TASKS}/k8s.io/{ID}"), "/elsewhere");
    assert_eq!(machine.look(&path, Some(40), None, true), (Proof::Imitation, String::new()));
}

#[test]
fn the_path_that_a_bundle_asks_for_is_the_one_that_it_gets() {
    for (wanted, id, path, fits) in [
        ("/default/redis", "redis", "/default/redis", true),
        ("/default/redis", "redis", "/process_api/546e/default/redis", true),
        ("default/redis", "redis", "/default/redis", true),
        ("/redis", "redis", "/other-redis", false),
        ("/default/redis", "redis", "/other/redis", false),
        ("system.slice:runc:web", "web", "/system.slice/runc-web.scope", true),
        (
            "user.slice::web",
            "web",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/web.scope",
            true,
        ),
        ("kubepods-pod1.slice:crio:ab", "ab", "/system.slice/crio.service/kubepods-pod1.slice:crio:ab", true),
        ("system.slice:runc:web", "web", "/system.slice/web", false),
        ("", "web", "/web", true),
        ("", "web", "/system.slice/runc-web.scope", true),
        ("", "web", "/webs", false),
    ] {
        assert_eq!(fits_path(wanted, id, path), fits, "{wanted} {path}");
    }
}
