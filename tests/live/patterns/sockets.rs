//! Addresses that a server cannot have, ports that show too much, and what looks like it.

use std::net::TcpListener;

use crate::support::{Agent, play, scene};

const STATIC: &str = "/app/probe.static";
const PPROF: &str = "/app/probe.pprof";
const OK: &[i32] = &[0];
const FAILS: &[i32] = &[1];

#[test]
fn a_server_that_cannot_bind_its_address_is_told_with_the_reason() {
    const ID: &str = "bind-failed";
    const TWO: &str = "/app/probe.static serve :8080 & sleep 1; /app/probe.static listen :8080";
    const NEXT: &str =
        "/app/probe.static serve :8080 & sleep 1; exec /app/probe.static bind-or-next :8080 :8081";
    // Held by the host: whoever is on its network cannot have it.
    const HELD: &str = "127.0.0.1:18973";
    let held = TcpListener::bind(HELD).expect("a port that only this test uses");
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("twice", "scratch", &[STATIC, "listen-twice", "127.0.0.1:8080"], FAILS)
                .fails(ID, &["127.0.0.1:8080: in use", "which it listens on already"]),
            scene("two", "musl", &["/bin/sh", "-c", TWO], FAILS)
                .fails(ID, &["[::]:8080: in use", "/app/probe.static (pid"]),
            scene("host", "scratch", &[STATIC, "listen", HELD], FAILS)
                .with(&["--network", "host"])
                .fails(ID, &["127.0.0.1:18973: in use"]),
            scene("low-port", "scratch", &[STATIC, "listen", ":80"], FAILS)
                .with(&["--user", "1000", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"])
                .fails(ID, &["[::]:80: not permitted"]),
            scene("elsewhere", "scratch", &[STATIC, "listen", "10.99.99.99:8080"], FAILS)
                .fails(ID, &["10.99.99.99:8080: no such address"]),
            scene("free", "scratch", &[STATIC, "serve", ":8080"], OK).stopped("10"),
            scene("low-port-allowed", "scratch", &[STATIC, "listen", ":80"], OK)
                .with(&["--user", "1000"])
                .stopped("10"),
            scene("next", "musl", &["/bin/sh", "-c", NEXT], OK).lives(),
            scene("other-failure", "scratch", &[STATIC, "exit", "1"], FAILS),
        ],
    );
    drop(held);
}

#[test]
fn profiles_on_all_addresses_are_a_warning_and_on_the_loopback_none() {
    const ID: &str = "pprof-exposed";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("exposed", "scratch", &[PPROF, "pprof", ":6060"], OK)
                .fails(ID, &["port 6060", "all addresses"])
                .severity("warning")
                .confidence("high")
                .stopped("10"),
            scene("loopback", "scratch", &[PPROF, "pprof", "127.0.0.1:6060"], OK).stopped("10"),
            scene("private", "scratch", &[PPROF, "pprof-private", ":8080", "127.0.0.1:6060"], OK)
                .stopped("10"),
            scene("other-port", "scratch", &[PPROF, "pprof", ":8080"], OK).stopped("10"),
            scene("not-linked", "scratch", &[STATIC, "listen", ":6060"], OK).stopped("10"),
        ],
    );
}
