//! An agent that has given up what it no longer needs: none of its threads has more, and it sees as well as before.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use gomon::confine::{KEPT, Restraint, UID};

use crate::support::{Agent, Container, docker_ok, gomon_with, wait_for};

const GLIBC: &str = "/app/probe.glibc";
const MISSING: &str = "libnone.so";
/// What an agent keeps, in the words of setpriv(1).
const CAPABILITIES: &str = "+dac_read_search,+sys_ptrace,+sys_admin";

/// Waits until the agent has told this pattern of this container, as a remark or more.
fn named(agent: &Agent, container: &Container, pattern: &str, mut again: impl FnMut()) {
    let id = container.id();
    wait_for(pattern, || {
        again();
        agent.remarks_and_diagnoses(&id).iter().any(|one| one["pattern"] == pattern).then_some(())
    });
}

/// Of each thread: its name and what the kernel says of it.
fn threads(pid: u32) -> Vec<(String, String)> {
    let all = fs::read_dir(format!("/proc/{pid}/task")).expect("the agent runs").flatten();
    // A thread that has ended meanwhile has nothing.
    let status = |path: &Path| fs::read_to_string(path.join("status")).ok();
    all.filter_map(|thread| {
        let status = status(&thread.path())?;
        Some((field(&status, "Name")?, status))
    })
    .collect()
}

fn field(status: &str, name: &str) -> Option<String> {
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

#[test]
fn no_thread_of_a_working_agent_has_more_than_it_needs_and_other_users_containers_are_seen_nevertheless() {
    let agent = Agent::start();
    let plugins = Container::new("plugins", "bookworm", &[GLIBC, "serve"]).with(&["--user", "1234:1234"]);
    plugins.serve();
    // A breakpoint is set, and files are read through the root of another user's process.
    named(&agent, &plugins, "dlopen-failed", || {
        docker_ok(&["exec", &plugins.name, GLIBC, "dlopen", MISSING]);
    });
    let broken = Container::new("broken", "scratch", &[GLIBC]).with(&["--user", "1234:1234"]);
    broken.run();
    named(&agent, &broken, "missing-interpreter", || {});
    let threads = threads(agent.pid());
    assert!(threads.len() > 2, "{threads:?}");
    for (name, status) in threads {
        let field = |name| field(&status, name).unwrap_or_default();
        let mask = |name| u64::from_str_radix(&field(name), 16).expect("a mask");
        let ids = |name| field(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let own = vec![UID.to_string(); 4];
        assert_eq!((ids("Uid"), ids("Gid"), ids("Groups")), (own.clone(), own, vec![]), "{name}");
        assert_eq!((mask("CapPrm") & !KEPT.bits(), mask("CapEff") & !KEPT.bits()), (0, 0), "{name}");
        assert_eq!((mask("CapInh"), mask("CapAmb"), mask("CapBnd")), (0, 0, 0), "{name}");
        assert_eq!((field("NoNewPrivs").as_str(), field("Seccomp").as_str()), ("1", "2"), "{name}");
    }
    let metrics = agent.metrics();
    for restraint in Restraint::ALL {
        let labels = [("restraint", restraint.name())];
        assert_eq!(metrics.sum("gomon_confined", &labels), Some(1.0), "{restraint:?}");
    }
    // Its own files under /proc are another user's for it.
    assert!(metrics.sum("process_open_fds", &[]) > Some(0.0));
    assert!(metrics.sum("gomon_bpf_program_runs_total", &[]).is_some());
    agent.stop().exits(0);
}

#[test]
fn an_agent_that_shall_not_confine_itself_says_so_and_works() {
    let agent = Agent::start_with(&[("GOMON_CONFINE", "false")]);
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("the agent runs");
    assert_eq!(
        (field(&status, "NoNewPrivs"), field(&status, "Seccomp")),
        (Some("0".into()), Some("0".into()))
    );
    assert!(field(&status, "Uid").is_some_and(|ids| ids.starts_with('0')), "{status}");
    assert_eq!(agent.metrics().sum("gomon_confined", &[]), Some(0.0));
    let log = agent.log();
    assert!(log.contains("told not to confine itself"), "{log}");
    let broken = Container::new("broken", "scratch", &[GLIBC]);
    broken.run();
    named(&agent, &broken, "missing-interpreter", || {});
}

#[test]
fn local_commands_reach_a_confined_agent() {
    let agent = Agent::start();
    let mut stream = UnixStream::connect(agent.socket()).expect("the agent listens");
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").expect("it takes the question");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn what_an_agent_keeps_is_enough_for_the_files_of_a_dead_container() {
    let dead = Container::new("dead", "bookworm", &["/app/probe.needfoo"]).with(&["--user", "1234:1234"]);
    dead.run();
    let answer = gomon_with(UID, CAPABILITIES, &["diagnose", &dead.name, "-o", "json"]).exits(1).json();
    assert_eq!(answer["diagnoses"][0]["pattern"], "missing-library", "{answer:#}");
}
