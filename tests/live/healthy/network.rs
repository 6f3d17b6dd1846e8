//! Ports that are meant to be open, profiles that only the container itself sees, names that are looked up.

use super::{GLIBC, MUSL, STATIC, ends, serves};
use crate::support::Scene;

/// The first port is taken by a process beside it.
const TAKEN: &str = "/app/probe.static listen :8080 >/dev/null & while ! grep -q :1F90 /proc/net/tcp6; do sleep 0.05; done; \
    exec /app/probe.musl bind-or-next :8080 :8081";
const PPROF: &str = "/app/probe.pprof";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        serves("loopback", "scratch", &[STATIC, "listen", "127.0.0.1:8080"]),
        serves("everywhere", "scratch", &[STATIC, "serve", ":8080"]),
        serves("low-port", "scratch", &[STATIC, "serve", ":80"]).with(&["--user", "1000"]),
        // The port alone says nothing: no profiles are in the program.
        serves("no-profiles", "scratch", &[STATIC, "serve", ":6060"]),
        serves("profiles-loopback", "scratch", &[PPROF, "pprof", "127.0.0.1:6060"]),
        serves("profiles-loopback-6", "bookworm", &[PPROF, "pprof", "localhost:6060"]),
        serves("profiles-private", "scratch", &[PPROF, "pprof-private", ":8080", "127.0.0.1:6060"]),
        serves("bind-or-next", "musl", &["sh", "-c", TAKEN]),
        serves("no-such-address", "scratch", &[STATIC, "bind-or-next", "192.0.2.1:80", ":8080"]),
        ends("lookup", "scratch", &[STATIC, "lookup", "localhost"]),
        ends("lookup-cgo", "bookworm", &[GLIBC, "lookup", "localhost"])
            .with(&["--env", "GODEBUG=netdns=cgo"]),
        ends("lookup-fails", "musl", &[MUSL, "lookup", "nosuch.invalid"]),
        ends("host-network", "scratch", &[STATIC, "ok"]).with(&["--network", "host"]),
        serves("bridge", "scratch-ca", &[STATIC, "serve", ":8080"]).with(&["--network", "bridge"]),
    ]
}
