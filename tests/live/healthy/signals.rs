//! Containers that are stopped, killed and visited, and take it well; children that somebody waits for.

use super::{GLIBC, MUSL, OK, STATIC, ends, serves};
use crate::support::{Scene, scene};

const KILLED: &[i32] = &[137];
/// Go without a handler ends by itself: 143 from Go 1.27 on, 2 before.
const UNHANDLED: &[i32] = &[143, 2];
const TRAP: &str = "trap 'kill $!; wait; exit 0' TERM; /app/probe.static serve & wait";
const MANY_CHILDREN: &str = "for i in 1 2 3 4 5 6 7 8 9; do /app/probe.static ok & done; wait; echo ready; \
    trap 'exit 0' TERM; while :; do sleep 0.1; done";

pub(super) fn scenes() -> Vec<Scene> {
    [stopped(), ended_otherwise(), visited(), children()].into_iter().flatten().collect()
}

fn stopped() -> Vec<Scene> {
    vec![
        serves("graceful", "scratch", &[STATIC, "serve"]),
        serves("graceful-cgo", "bookworm", &[GLIBC, "serve"]),
        serves("slow-but-in-time", "scratch", &[STATIC, "slow-term", "1500ms"]),
        scene("no-handler", "scratch", &[STATIC, "no-handler"], UNHANDLED).stopped("10"),
        serves("init", "scratch", &[STATIC, "serve"]).with(&["--init"]),
        scene("init-no-handler", "musl", &[MUSL, "no-handler"], &[143]).with(&["--init"]).stopped("10"),
        serves("script-execs", "musl", &["/app/wrap-exec.sh", "serve"]),
        serves("shell-execs", "bookworm", &["sh", "-c", "cd /app; exec ./probe.static serve"]),
        serves("bash-execs", "bookworm", &["bash", "-c", "/app/probe.glibc serve"]),
        serves("trap", "bookworm", &["sh", "-c", TRAP]),
        serves("other-signal", "scratch", &[STATIC, "serve"]).with(&["--stop-signal", "INT"]),
    ]
}

fn ended_otherwise() -> Vec<Scene> {
    vec![
        scene("killed", "scratch", &[STATIC, "serve"], KILLED).killed(),
        scene("killed-deaf", "bookworm", &[GLIBC, "ignore-term"], KILLED).killed(),
        scene("removed", "scratch", &[STATIC, "serve"], KILLED).removed(),
        scene("removed-deaf", "musl", &["sh", "-c", "echo ready; sleep 1000; true"], KILLED).removed(),
        scene("own-code", "scratch", &[STATIC, "exit", "3"], &[3]),
        ends(
            "timed-out-deaf",
            "bookworm",
            &["sh", "-c", "timeout -s KILL 0.3 /app/probe.glibc sleep 9s; true"],
        ),
    ]
}

fn visited() -> Vec<Scene> {
    vec![
        serves("visited", "bookworm", &[GLIBC, "serve"])
            .visited(&["bash", "-c", "ls / | wc -l; env true"], 0)
            .visited(&["sh", "-c", "exit 3"], 3)
            .visited(&["/app/probe.static", "ok"], 0),
        serves("visited-scratch", "scratch", &[STATIC, "serve"]).visited(&[STATIC, "exit", "7"], 7),
        serves("checked", "musl", &[MUSL, "serve", ":8080"])
            .with(&["--health-cmd", "wget -qO- http://127.0.0.1:8080/", "--health-interval", "1s"])
            .checked(),
        serves("checked-debian", "bookworm", &[STATIC, "serve"])
            .with(&["--health-cmd", "/app/probe.static ok || exit 1", "--health-interval", "1s"])
            .checked(),
        serves("checked-distroless", "distroless", &[GLIBC, "serve"]).checked(),
    ]
}

fn children() -> Vec<Scene> {
    vec![
        serves("children", "scratch", &[STATIC, "children", "20"]),
        serves("orphans-init", "scratch", &[STATIC, "orphans", "5"]).with(&["--init"]),
        scene("children-busybox", "musl", &["sh", "-c", MANY_CHILDREN], OK).stopped("10"),
        ends(
            "short-lived",
            "musl",
            &["sh", "-c", "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done"],
        ),
    ]
}
