//! Writing where one may, or knowing another place; users and time zones that need no file.

use super::{GLIBC, MUSL, STATIC, ends, serves};
use crate::support::Scene;

const READ_ONLY: &[&str] = &["--read-only"];
const WITH_TMP: &[&str] = &["--read-only", "--tmpfs", "/tmp"];
/// Every container refuses these, and whoever tries knows it.
const TUNING: &str = "echo 1 > /proc/sys/net/ipv4/ip_forward || true; echo 1 > /proc/sys/vm/overcommit_memory || true; \
    mkdir /proc/sys/mine || true; echo never > /sys/kernel/mm/transparent_hugepage/enabled || true";

pub(super) fn scenes() -> Vec<Scene> {
    [writes(), users(), zones()].into_iter().flatten().collect()
}

fn writes() -> Vec<Scene> {
    vec![
        serves("read-only-serves", "distroless", &[GLIBC, "serve"]).with(READ_ONLY),
        ends("read-only-temp", "scratch", &[STATIC, "temp"]).with(WITH_TMP),
        ends("read-only-shell", "bookworm", &["bash", "-c", "cat <<< text > /tmp/x; mkdir /tmp/d"])
            .with(WITH_TMP),
        ends("read-only-or", "musl", &[MUSL, "write-or", "/dev/shm/cache", "/app/cache"]).with(READ_ONLY),
        ends("write-or-user", "musl", &[MUSL, "write-or", "/tmp/cache", "/app/cache"])
            .with(&["--user", "1000"]),
        ends("temp-user", "distroless", &[GLIBC, "temp"]).with(&["--user", "65532"]),
        ends("chmod", "musl", &[MUSL, "must-chmod", "/app/good.sh"]),
        ends("tuning", "bookworm", &["sh", "-c", TUNING]),
    ]
}

fn users() -> Vec<Scene> {
    vec![
        ends("root", "musl", &[MUSL, "user"]),
        ends("nobody", "musl", &[MUSL, "user"]).with(&["--user", "65534"]),
        ends("nonroot", "distroless", &[GLIBC, "user"]).with(&["--user", "65532:65532"]),
        ends("number", "scratch", &[STATIC, "ok"]).with(&["--user", "1000"]),
        serves("number-serves", "bookworm", &[GLIBC, "serve", ":8080"]).with(&["--user", "12345:12345"]),
    ]
}

fn zones() -> Vec<Scene> {
    vec![
        ends("zones-embedded", "scratch", &["/app/probe.tzdata", "tz", "Europe/Berlin"]),
        ends("zone-embedded", "scratch", &["/app/probe.tzdata", "local-time"])
            .with(&["--env", "TZ=Asia/Tokyo"]),
        ends("zones", "bookworm", &[GLIBC, "tz", "America/New_York"]),
        ends("zone", "distroless", &[GLIBC, "local-time"]).with(&["--env", "TZ=Europe/Berlin"]),
        ends("zone-unset", "scratch", &[STATIC, "local-time"]),
        ends("zone-utc", "scratch", &[STATIC, "local-time"]).with(&["--env", "TZ=UTC"]),
        ends("zone-empty", "musl", &[MUSL, "local-time"]).with(&["--env", "TZ="]),
        ends("zone-shell", "bookworm", &["sh", "-c", "date; TZ=Europe/Berlin date; TZ=UTC date"]),
    ]
}
