//! Programs that start: in every linkage, through shells, wrappers and searches.

use super::{GLIBC, MUSL, STATIC, ends};
use crate::support::Scene;

/// Directories that lack the programs come first.
const PATH: &[&str] = &["--env", "PATH=/no/such:/usr/local/bin:/libs:/app:/usr/bin:/bin"];
const LIBRARY_PATH: &[&str] = &["--env", "LD_LIBRARY_PATH=/opt/none:/opt/other:/libs"];

pub(super) fn scenes() -> Vec<Scene> {
    [linkages(), libraries(), wrappers(), scripts(), missing_and_minded()].into_iter().flatten().collect()
}

fn linkages() -> Vec<Scene> {
    vec![
        ends("static", "scratch", &[STATIC, "ok"]),
        ends("static-ca", "scratch-ca", &[STATIC, "ok"]),
        ends("386", "scratch", &["/app/probe.386", "ok"]),
        ends("pie-debian", "bookworm", &["/app/probe.pie", "ok"]),
        ends("cgo-debian", "bookworm", &[GLIBC, "ok"]),
        ends("cgo-distroless", "distroless", &[GLIBC, "ok"]),
        ends("cgo-hardened", "bookworm", &["/app/probe.fort", "ok"]),
        ends("cgo-musl", "musl", &[MUSL, "ok"]),
        // musl takes the place of glibc as long as no symbol is glibc's alone.
        ends("cgo-compat", "musl-compat", &[GLIBC, "ok"]),
        ends("static-old-debian", "bullseye", &[STATIC, "ok"]),
        ends("tests", "scratch", &["/app/probe.test", "-test.v"]),
        ends("tests-terminal", "musl", &["/app/probe.test", "-test.v"]).with(&["--tty"]),
    ]
}

fn libraries() -> Vec<Scene> {
    vec![
        ends("library-path", "bookworm", &["/app/probe.needfoo", "ok"]).with(LIBRARY_PATH),
        ends("library-path-musl", "musl", &["/app/probe.needfoo.musl", "ok"]).with(LIBRARY_PATH),
        ends("library-path-shell", "bookworm", &["sh", "-c", "ls / >/dev/null; perl -e 1; env true"])
            .with(LIBRARY_PATH),
        ends("plugin", "bookworm", &[GLIBC, "dlopen", "libfoo.so"]).with(LIBRARY_PATH),
        ends("plugin-musl", "musl", &[MUSL, "dlopen", "libfoo.so"]).with(LIBRARY_PATH),
        ends(
            "plugin-chain",
            "bookworm",
            &[GLIBC, "dlopen-fallback", "libfoo.so.2", "libfoo.so.1", "libfoo.so"],
        )
        .with(LIBRARY_PATH),
        ends("plugin-chain-musl", "musl", &[MUSL, "dlopen-fallback", "libfoo.so.2", "libfoo.so"])
            .with(LIBRARY_PATH),
        ends("plugin-places", "distroless", &[GLIBC, "dlopen-fallback", "/opt/lib/libfoo.so", "libfoo.so"])
            .with(LIBRARY_PATH),
    ]
}

fn wrappers() -> Vec<Scene> {
    let search = |what, image, command| ends(what, image, command).with(PATH);
    vec![
        search("env", "musl", &["env", "probe.static", "ok"]),
        search("timeout", "bookworm", &["timeout", "20", "probe.glibc", "ok"]),
        search("xargs", "bookworm", &["sh", "-c", "echo ok ok | xargs -n1 probe.static"]),
        search("find", "bookworm", &["find", "/etc/passwd", "-exec", "probe.static", "ok", ";"]),
        search("setpriv", "bookworm", &["setpriv", "--reuid=1000", "--clear-groups", "probe.static", "ok"]),
        search("perl-exec", "bookworm", &["perl", "-e", "exec 'probe.static', 'ok'"]),
        search("go-search", "scratch", &[STATIC, "spawn-path", "probe.static", "ok"]),
        search("go-child", "scratch", &[STATIC, "exec", "/app/probe.386", "ok"]),
        search("init-env", "musl", &["env", "probe.static", "ok"]).with(&["--init"]),
        search("from-path", "musl", &["probe.static", "ok"]),
    ]
}

fn scripts() -> Vec<Scene> {
    vec![
        ends("dash", "bookworm", &["sh", "-c", "cd /app; ./probe.static ok && ./probe.glibc ok"]),
        ends("bash", "bookworm", &["bash", "-lc", "for i in 1 2 3; do /app/probe.static ok; done"]),
        ends("busybox", "musl", &["sh", "-ec", "/app/probe.static ok | cat; (/app/probe.musl ok)"]),
        ends("script", "musl", &["/app/good.sh", "a", "b"]),
        ends("script-wraps", "musl", &["/app/wrap.sh", "ok"]),
        ends("script-execs", "bookworm", &["/app/wrap-exec.sh", "ok"]),
        // Shells run these themselves once the kernel has refused to.
        ends("no-shebang", "musl", &["sh", "-c", "/app/noshebang.sh; sh /app/noshebang.sh"]),
        ends("no-shebang-bash", "bookworm", &["bash", "-c", "/app/noshebang.sh; true"]),
    ]
}

/// What fails there has somebody who minds it.
fn missing_and_minded() -> Vec<Scene> {
    vec![
        ends("tool-or-other", "bookworm", &["sh", "-c", "command -v curl || nosuch || /app/probe.static ok"]),
        ends("child-fails", "musl", &["sh", "-c", "/app/probe.static exit 3; false; true"]),
        ends("child-127", "bookworm", &["bash", "-c", "/app/probe.glibc exit 127 || true"]),
        ends("recovered", "scratch", &[STATIC, "segv-recovered"]),
        ends("killed-child", "bookworm", &["bash", "-c", "sleep 60 & kill -9 $!; wait $!; true"]),
    ]
}
