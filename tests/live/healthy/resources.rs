//! Limits that are kept, profiles and capabilities that nobody runs into, environments that say nothing wrong.

use super::{GLIBC, MUSL, STATIC, ends, serves};
use crate::support::Scene;

const CACHE: &str = "dd if=/dev/zero of=/f bs=1M count=100 2>/dev/null; cat /f /f >/dev/null; rm /f";

pub(super) fn scenes() -> Vec<Scene> {
    [memory(), processors(), privileges(), environments()].into_iter().flatten().collect()
}

fn memory() -> Vec<Scene> {
    let limit = &["--memory", "64m", "--memory-swap", "64m"];
    vec![
        ends("memory-limit", "scratch", &[STATIC, "ok"]).with(limit),
        ends("garbage", "scratch", &[STATIC, "garbage", "2s"])
            .with(limit)
            .with(&["--env", "GOMEMLIMIT=54MiB"]),
        ends("garbage-gogc", "musl", &[MUSL, "garbage", "1s"]).with(limit).with(&[
            "--env",
            "GOGC=50",
            "--env",
            "GOMEMLIMIT=50000000",
        ]),
        // Pages of files go when memory is short.
        ends("page-cache", "bookworm", &["sh", "-c", CACHE]).with(limit),
    ]
}

fn processors() -> Vec<Scene> {
    vec![
        ends("quota", "scratch", &[STATIC, "spin", "1", "2s"]).with(&["--cpus", "1.5"]),
        ends("quota-cgo", "bookworm", &[GLIBC, "tls-local-ok"]).with(&["--cpus", "0.5"]),
        serves("quota-idle", "scratch", &[STATIC, "serve"]).with(&["--cpus", "0.2"]),
    ]
}

fn privileges() -> Vec<Scene> {
    let option = |what, image, command, option: &[&str]| ends(what, image, command).with(option);
    vec![
        // Under the default profile every start of a glibc program meets the refused clone3(2), and falls back.
        ends("threads", "bookworm", &[GLIBC, "spin", "4", "300ms"]),
        option("no-profile", "bookworm", &[GLIBC, "ok"], &["--security-opt", "seccomp=unconfined"]),
        option("no-new-privileges", "scratch", &[STATIC, "ok"], &["--security-opt", "no-new-privileges"]),
        option("no-capabilities", "scratch", &[STATIC, "ok"], &["--cap-drop", "ALL"]),
        serves("no-capabilities-serves", "distroless", &[GLIBC, "serve", ":8080"]).with(&[
            "--cap-drop",
            "ALL",
            "--read-only",
            "--user",
            "65532",
            "--security-opt",
            "no-new-privileges",
        ]),
        option("capability", "scratch", &["/app/caps", "ok"], &["--cap-add", "NET_ADMIN"]),
        ends("debugger", "bookworm", &[GLIBC, "must-ptrace"]),
        option("host-processes", "scratch", &[STATIC, "ok"], &["--pid", "host"]),
    ]
}

fn environments() -> Vec<Scene> {
    let variable = |what, image, command, variable| ends(what, image, command).with(&["--env", variable]);
    vec![
        variable("godebug", "scratch", &[STATIC, "tls-local-ok"], "GODEBUG=http2client=0,gctrace=0"),
        variable("secret", "scratch", &[STATIC, "ok"], "API_TOKEN=not-a-secret"),
    ]
}
