//! The rules of naming a container, as tables.

use super::*;
use crate::model::container::Identity;

fn listed(id: &str, runtime: Runtime, names: &str, running: bool) -> Listed {
    let parts: Vec<&str> = names.split('/').collect();
    let (namespace, pod, name) = match parts.as_slice() {
        [namespace, pod, name] => (*namespace, *pod, *name),
        _ => ("", "", names),
    };
    let identity = Identity {
        name: name.to_owned(),
        image: format!("{name}:1"),
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        pod_uid: String::new(),
        workload: None,
        runtime,
    };
    Listed { identity, running, ..Listed::unnamed(ContainerId(id.into())) }
}

fn world() -> Vec<Listed> {
    vec![
        listed("aa11", Runtime::Docker, "api", true),
        listed("aa22", Runtime::Docker, "web", false),
        listed("ee33", Runtime::Docker, "aa1", true),
        listed("bb11", Runtime::Podman, "api-db", true),
        // Two pods of one deployment, the first with a sidecar; each with its sandbox.
        listed("c0", Runtime::Containerd, "shop/pay-1/", true),
        listed("c1", Runtime::Containerd, "shop/pay-1/app", true),
        listed("c2", Runtime::Containerd, "shop/pay-1/proxy", true),
        listed("d0", Runtime::CriO, "shop/cart-2/POD", true),
        listed("d1", Runtime::CriO, "shop/cart-2/app", true),
        // An earlier life of the same container.
        listed("d2", Runtime::CriO, "shop/cart-2/app", false),
        listed("redis-1", Runtime::Containerd, "", true),
        // Words of two namespaces of containerd, and of runc.
        listed("default/cache", Runtime::Containerd, "cache", true),
        listed("other/cache", Runtime::Containerd, "cache", true),
        listed("batch", Runtime::Runc, "batch", true),
        listed("batch@/other/batch", Runtime::Runc, "batch", true),
    ]
}

fn selection(words: &[(&str, &str)]) -> Selection {
    let of = |key: &str| words.iter().find(|(k, _)| *k == key).map(|(_, value)| (*value).to_owned());
    Selection { namespace: of("n"), pod: of("p"), container: of("c") }
}

fn processes(pid: u32) -> io::Result<Option<ContainerId>> {
    match pid {
        7 => Ok(Some(ContainerId("c1".into()))),
        8 => Ok(None),
        9 => Ok(Some(ContainerId("unlisted".into()))),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The id; or how many fit; or 0.
fn answer(target: &str, words: &[(&str, &str)]) -> Result<String, usize> {
    let target: Option<Target> = (!target.is_empty()).then(|| target.parse().unwrap());
    match resolve(target.as_ref(), &selection(words), &world(), processes) {
        Ok(one) => Ok(one.id.0.to_string()),
        Err(ResolveError::Ambiguous { candidates, .. }) => Err(candidates.len()),
        Err(
            ResolveError::NotFound { .. } | ResolveError::Process { .. } | ResolveError::NotContained { .. },
        ) => Err(0),
    }
}

#[test]
fn a_target_is_one_container_or_none_or_ambiguous() {
    let table: &[(&str, Result<&str, usize>)] = &[
        // Names.
        ("api", Ok("aa11")),
        ("web", Ok("aa22")),
        ("ap", Err(0)),
        ("proxy", Ok("c2")),
        ("app", Err(3)),
        // Ids: full, beginning, not hexadecimal, of another case.
        ("aa11", Ok("aa11")),
        ("aa2", Ok("aa22")),
        ("AA2", Ok("aa22")),
        ("aa", Err(2)),
        ("b", Ok("bb11")),
        ("redis-1", Ok("redis-1")),
        ("redis", Err(0)),
        ("ff", Err(0)),
        // A name outweighs the beginning of an id.
        ("aa1", Ok("ee33")),
        // A sandbox answers to its full id alone.
        ("c0", Ok("c0")),
        ("c", Err(2)),
        ("d0", Ok("d0")),
        ("POD", Err(0)),
        // References.
        ("docker://aa1", Ok("aa11")),
        ("docker://api", Err(0)),
        ("podman://bb", Ok("bb11")),
        ("podman://aa11", Err(0)),
        ("containerd://redis-1", Ok("redis-1")),
        ("cri-o://d", Ok("d1")),
        // A word that a person chose, and what tells it from its namesake.
        ("cache", Err(2)),
        ("default/cache", Ok("default/cache")),
        ("containerd://other/cache", Ok("other/cache")),
        ("containerd://cache", Err(2)),
        ("batch", Err(2)),
        ("runc://batch@/other/batch", Ok("batch@/other/batch")),
        ("batch@/other/batch", Ok("batch@/other/batch")),
        // Pods.
        ("shop/pay-1", Err(2)),
        ("shop/pay-1/app", Ok("c1")),
        ("shop/cart-2", Ok("d1")),
        ("shop/cart-2/app", Ok("d1")),
        ("shop/cart-2/POD", Err(0)),
        ("other/pay-1", Err(0)),
        // Processes.
        ("pid:7", Ok("c1")),
        ("pid:8", Err(0)),
        ("pid:9", Ok("unlisted")),
        ("pid:10", Err(0)),
    ];
    for (target, expected) in table {
        assert_eq!(answer(target, &[]), expected.map(str::to_owned), "{target}");
    }
}

#[test]
fn a_selection_narrows_what_a_target_may_mean() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<&'a str, usize>);
    let table: &[Row<'_>] = &[
        ("app", &[("p", "pay-1")], Ok("c1")),
        ("app", &[("n", "shop")], Err(3)),
        ("app", &[("n", "other")], Err(0)),
        ("", &[("p", "cart-2")], Ok("d1")),
        ("", &[("p", "pay-1")], Err(2)),
        ("", &[("p", "pay-1"), ("c", "proxy")], Ok("c2")),
        ("", &[("c", "web")], Ok("aa22")),
        ("", &[("n", "shop"), ("c", "app")], Err(3)),
        ("pid:7", &[("p", "pay-1")], Ok("c1")),
        ("pid:7", &[("p", "cart-2")], Err(0)),
        ("pid:9", &[("n", "shop")], Err(0)),
    ];
    for (target, words, expected) in table {
        assert_eq!(answer(target, words), expected.map(str::to_owned), "{target} {words:?}");
    }
}

fn told(target: &str, listed: &[Listed]) -> String {
    let target: Target = target.parse().unwrap();
    resolve(Some(&target), &Selection::default(), listed, processes).unwrap_err().to_string()
}

#[test]
fn what_is_not_found_says_what_was_searched_and_what_is_near() {
    assert_eq!(
        told("apj", &world()),
        "no container fits \"apj\"; searched the names and ids of 13 containers \
         (docker 3, containerd 5, cri-o 2, podman 1, runc 2); did you mean \"app\" or \"api\"?"
    );
    let near = told("shop/cart", &world());
    assert!(near.ends_with("; did you mean \"shop/cart-2\" or \"shop/pay-1\"?"), "{near}");
    assert!(told("shop/cart-2/ap", &world()).contains("did you mean \"shop/cart-2/app\""));
    assert!(told("zebra", &[]).contains("know of no container"));
    assert_eq!(told("pid:8", &world()), "process 8 runs in no container");
}

#[test]
fn an_ambiguous_name_lists_the_candidates() {
    assert_eq!(
        told("aa", &world()),
        "\"aa\" fits 2 containers; name one of them by its id:\n  \
         aa11  api  api:1  running\n  aa22  web  web:1  not running"
    );
    let many: Vec<Listed> =
        (10..60).map(|n| listed(&format!("a{n}"), Runtime::Docker, "x\u{1b}[2J", true)).collect();
    let text = told("a", &many);
    assert!(text.contains("\n  and 30 more") && !text.contains('\u{1b}'), "{text}");
}
