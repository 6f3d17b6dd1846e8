//! Real paths against what they tell, and the life and death of cgroups.

use super::*;
use crate::model::container::Runtime;

const ID: &str = "3f2a9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011";
const INNER: &str = "00ff9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011";

fn id(text: &str) -> ContainerId {
    ContainerId(text.into())
}

fn proof(text: &str) -> Proof {
    Proof::Container(id(text))
}

fn run(container: &str, cgroup: u64) -> Run {
    Run { container: id(container), cgroup: CgroupId(cgroup) }
}

fn new(run: Run) -> Placed {
    Placed::New { run, gone: None }
}

#[test]
fn real_paths_tell_their_runtime_their_container_and_their_pod() {
    let table = include_str!("paths.tsv");
    let rows: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(rows.len() > 40);
    for row in rows {
        let fields: Vec<&str> = row.split('\t').collect();
        let [_layout, _driver, _origin, runtime, container, pod, path] = fields.as_slice() else {
            panic!("{row}")
        };
        let found = named(path);
        let told = found.as_ref().map_or("host", |found| found.runtime.name());
        assert_eq!(told, *runtime, "{path}");
        assert_eq!(found.map_or("-".into(), |found| found.id.0.to_string()), *container, "{path}");
        assert_eq!(pod_uid(path).as_deref().unwrap_or("-"), *pod, "{path}");
    }
}

#[test]
fn a_name_that_a_person_chose_is_read_with_and_without_the_words_of_a_scope() {
    let of = |path| words(path).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
    assert_eq!(of("/default/redis"), ["redis"]);
    assert_eq!(of("/system.slice/runc-web.scope"), ["runc-web", "web"]);
    assert_eq!(of("/system.slice:crun:web"), ["web"]);
    assert_eq!(of("/docker-"), ["docker-"]);
    assert_eq!(words("/x/crun-web.scope").pop(), Some(("web", Runtime::Crun)));
}

#[test]
fn cgroups_that_name_no_container_are_the_hosts() {
    let mut attribution = Attribution::default();
    assert_eq!(attribution.place(CgroupId(5), "/system.slice", Proof::Nothing), Placed::Host);
    assert!(attribution.is_host(CgroupId(5)) && !attribution.is_host(CgroupId(6)));
    assert_eq!(attribution.question(CgroupId(5), "/system.slice"), None);
    attribution.remove(CgroupId(5));
    assert!(!attribution.is_host(CgroupId(5)));
}

#[test]
fn a_cgroup_that_a_walk_misses_is_kept_until_its_events_must_have_come() {
    let mut attribution = Attribution::default();
    attribution.place(CgroupId(1), &format!("/docker/{ID}"), Proof::Nothing);
    let nothing = HashSet::new();
    let at = |seconds: u64| BootNs(seconds * SECOND);
    assert_eq!(attribution.long_absent(&nothing, false, at(10)), []);
    assert_eq!(attribution.long_absent(&nothing, false, at(11)), []);
    assert_eq!(attribution.long_absent(&HashSet::from([CgroupId(1)]), false, at(12)), []);
    assert_eq!(attribution.long_absent(&nothing, false, at(13)), []);
    assert_eq!(attribution.long_absent(&nothing, false, at(15)), [CgroupId(1)]);
}

#[test]
fn what_a_walk_no_longer_finds_is_forgotten_whoever_it_belonged_to() {
    let mut attribution = Attribution::default();
    let inner = format!("/docker/{ID}/deep");
    attribution.place(CgroupId(1), &format!("/docker/{ID}"), Proof::Nothing);
    attribution.place(CgroupId(2), &inner, Proof::Nothing);
    attribution.place(CgroupId(3), "/system.slice", Proof::Nothing);
    assert!(attribution.is_below_container(&inner) && !attribution.is_below_container("/system.slice/x"));
    let present = HashSet::from([CgroupId(1)]);
    let at = |seconds: u64| BootNs(seconds * SECOND);
    assert_eq!(attribution.long_absent(&present, false, at(10)), []);
    assert!(attribution.misses_any());
    assert_eq!(attribution.long_absent(&present, true, at(12)), [CgroupId(3)], "one may be too deep");
    attribution.remove(CgroupId(3));
    assert_eq!(attribution.long_absent(&present, false, at(14)), []);
    assert_eq!(attribution.long_absent(&present, false, at(16)), [CgroupId(2)]);
    attribution.remove(CgroupId(2));
    assert!(
        attribution.knows(CgroupId(1)) && !attribution.knows(CgroupId(2)) && !attribution.knows(CgroupId(3))
    );
    assert_eq!(attribution.long_absent(&present, false, at(17)), []);
    assert!(!attribution.misses_any());
}

#[test]
fn a_restart_is_a_new_run_and_inner_cgroups_belong_to_the_first() {
    let mut attribution = Attribution::default();
    let path = format!("/docker/{ID}");
    let mut place = |cgroup, path: &str| attribution.place(CgroupId(cgroup), path, Proof::Nothing);
    assert_eq!(place(1, &path), new(run(ID, 1)));
    assert_eq!(place(2, &format!("{path}/inner")), Placed::Inside(run(ID, 1)));
    assert_eq!(attribution.remove(CgroupId(2)), None);
    assert_eq!(attribution.remove(CgroupId(1)), Some(run(ID, 1)));
    assert!(attribution.run(CgroupId(2)).is_none());
    let mut place = |cgroup, path: &str| attribution.place(CgroupId(cgroup), path, Proof::Nothing);
    assert_eq!(place(3, &path), new(run(ID, 3)));
    // Its end was lost.
    assert_eq!(place(4, &path), Placed::New { run: run(ID, 4), gone: Some(run(ID, 3)) });
    assert!(attribution.run(CgroupId(3)).is_none());
    assert_eq!(attribution.len(), 1);
}

#[test]
fn an_id_that_a_person_chose_is_a_container_only_with_proof() {
    let mut attribution = Attribution::default();
    assert_eq!(attribution.place(CgroupId(1), "/default", Proof::Nothing), Placed::Host);
    let question = attribution.question(CgroupId(2), "/default/redis");
    assert_eq!(question, Some(Question { named: None, within: None }));
    let redis = proof("default/redis");
    assert_eq!(attribution.place(CgroupId(2), "/default/redis", redis), new(run("default/redis", 2)));
    let below = attribution.place(CgroupId(3), "/default/redis/worker", Proof::Nothing);
    assert_eq!(below, Placed::Inside(run("default/redis", 2)));
    assert_eq!(attribution.path(&run("default/redis", 2)), Some("/default/redis"));
    // Another root of runc has a namesake.
    assert_eq!(attribution.place(CgroupId(4), "/web", proof("web")), new(run("web", 4)));
    assert_eq!(attribution.place(CgroupId(5), "/other/web", proof("web")), new(run("web@/other/web", 5)));
    assert_eq!(id("web@/other/web").plain(), "web");
    assert_eq!(id("default/redis").plain(), "redis");
}

#[test]
fn the_innermost_container_counts_where_files_vouch_for_it() {
    let mut attribution = Attribution::default();
    let outer = format!("/docker/{ID}");
    attribution.place(CgroupId(1), &outer, Proof::Nothing);
    let pods = format!("{outer}/kubelet.slice/pod1");
    assert_eq!(attribution.place(CgroupId(2), &pods, Proof::Nothing), Placed::Inside(run(ID, 1)));
    let inner = format!("{pods}/cri-containerd-{INNER}.scope");
    let question = Question { named: Some(id(INNER)), within: Some(run(ID, 1)) };
    assert_eq!(attribution.question(CgroupId(3), &inner), Some(question));
    assert_eq!(attribution.place(CgroupId(3), &inner, proof(INNER)), new(run(INNER, 3)));
    let below = attribution.place(CgroupId(4), &format!("{inner}/x"), Proof::Nothing);
    assert_eq!(below, Placed::Inside(run(INNER, 3)));
    // Nobody vouches for this one: it is a directory of the outer container.
    let other = format!("{outer}/docker-{}.scope", ID.replace('3', "4"));
    assert_eq!(attribution.place(CgroupId(5), &other, Proof::Nothing), Placed::Inside(run(ID, 1)));
}

#[test]
fn a_cgroup_with_the_name_of_another_container_gets_none_of_its_events() {
    let user = "/user.slice/user-1000.slice/user@1000.service";
    let mut attribution = Attribution::default();
    attribution.place(CgroupId(1), &format!("/docker/{ID}"), Proof::Nothing);
    attribution.place(CgroupId(2), &format!("/docker/{INNER}"), Proof::Nothing);
    // From inside a container, even with files of its own making.
    let nested = format!("/docker/{INNER}/docker/{ID}");
    for proof in [Proof::Nothing, Proof::Imitation, proof(ID)] {
        let placed = attribution.place(CgroupId(3), &nested, proof);
        assert_eq!(placed, Placed::Inside(run(INNER, 2)));
    }
    // From the session of a user, and even by root elsewhere.
    for (cgroup, parent) in [(4, user), (5, "/elsewhere")] {
        let placed = attribution.place(CgroupId(cgroup), &format!("{parent}/{ID}"), Proof::Nothing);
        assert_eq!(placed, Placed::Host, "{parent}");
    }
    assert_eq!(attribution.place(CgroupId(6), &format!("{user}/{ID}/x"), Proof::Imitation), Placed::Host);
}

#[test]
fn of_two_that_anybody_could_have_made_the_one_that_files_vouch_for_is_the_container() {
    let service = format!("/system.slice/some.service/docker-{ID}.scope");
    let mut attribution = Attribution::default();
    attribution.place(CgroupId(1), &service, Proof::Nothing);
    let placed = attribution.place(CgroupId(2), &format!("/docker/{ID}"), proof(ID));
    assert_eq!(placed, Placed::New { run: run(ID, 2), gone: Some(run(ID, 1)) });
    assert!(attribution.is_host(CgroupId(1)));
    // The other way round nothing changes.
    assert_eq!(attribution.place(CgroupId(3), &service, Proof::Nothing), Placed::Host);
}

#[test]
fn the_container_takes_its_id_back_from_who_took_it_first() {
    let mut attribution = Attribution::default();
    let imitation = format!("/user.slice/user-1000.slice/{ID}");
    attribution.place(CgroupId(1), &imitation, Proof::Nothing);
    attribution.place(CgroupId(2), &format!("{imitation}/x"), Proof::Nothing);
    let placed = attribution.place(CgroupId(3), &format!("/docker/{ID}"), Proof::Nothing);
    assert_eq!(placed, Placed::New { run: run(ID, 3), gone: Some(run(ID, 1)) });
    assert!(attribution.is_host(CgroupId(1)) && attribution.is_host(CgroupId(2)));
    // What was taken from a container falls back to it.
    attribution.place(CgroupId(4), &format!("/docker/{INNER}"), Proof::Nothing);
    attribution.place(CgroupId(5), &format!("/docker/{INNER}/web"), proof("web"));
    let placed = attribution.place(CgroupId(6), "/web", proof("web"));
    assert_eq!(placed, Placed::New { run: run("web", 6), gone: Some(run("web", 5)) });
    assert_eq!(attribution.run(CgroupId(5)), Some(&run(INNER, 4)));
}
