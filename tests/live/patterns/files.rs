//! Files that a program cannot write or does not find, and programs that do well without them.

use serde_json::Value;

use crate::support::{Agent, Container, Scene, play, scene, wait_for};

const STATIC: &str = "/app/probe.static";
const OK: &[i32] = &[0];
const FAILED: &[i32] = &[1];
const USER: &[&str] = &["--user", "1000:1000"];

#[test]
fn what_keeps_a_program_from_writing_is_told() {
    const ID: &str = "read-only-filesystem";
    const SHELL: &[&str] = &["/bin/sh", "-c", "set -e; mkdir /srv/cache; exec /app/probe.static ok"];
    const PROBES: &[&str] = &["/bin/sh", "-c", "touch /srv/x || exec /app/probe.static ok"];
    let volume = tempfile::tempdir().expect("a directory");
    let mounted = |options: &str| format!("{}:/data{options}", volume.path().display());
    let read_only = |one: Scene| one.with(&["--read-only", "--tmpfs", "/tmp"]);
    let agent = Agent::start();
    play(
        &agent,
        vec![
            read_only(scene("root", "bookworm", &[STATIC, "write", "/srv/x"], FAILED))
                .fails(ID, &["/srv: read-only-root", "exited with code 1"]),
            // What a program does without, and ends well, is a remark.
            read_only(scene("falls-back", "bookworm", &[STATIC, "write-or", "/tmp/x", "/srv/x"], OK)),
            read_only(scene("mkdir", "scratch", &[STATIC, "mkdir", "/cache"], FAILED))
                .fails(ID, &["/cache: read-only-root"]),
            read_only(scene("script", "bookworm", SHELL, FAILED))
                .fails(ID, &["/srv/cache: read-only-root", "the container then exited"]),
            scene("mount", "scratch", &[STATIC, "write", "/data/x"], FAILED)
                .with(&["--volume", &mounted(":ro")])
                .fails(ID, &["/data: read-only-mount"]),
            scene("no-tmp", "scratch", &[STATIC, "temp"], FAILED).fails(ID, &["/tmp: no-tmp"]),
            scene("no-tmp-goes-on", "scratch", &[STATIC, "temp-tolerant"], OK),
            scene("mode", "bookworm", &[STATIC, "write", "/srv/x"], FAILED)
                .with(USER)
                .fails(ID, &["/srv: mode", "owner 0:0", "1000:1000"]),
            scene("mode-mkdir", "bookworm", &[STATIC, "mkdir", "/var/lib/probe"], FAILED)
                .with(USER)
                .fails(ID, &["/var/lib: mode"]),
            scene("mode-volume", "scratch", &[STATIC, "write", "/data/x"], FAILED)
                .with(USER)
                .with(&["--volume", &mounted("")])
                .fails(ID, &["/data: mode"]),
            read_only(scene("tmpfs", "scratch", &[STATIC, "temp"], OK)),
            read_only(scene("probes", "bookworm", PROBES, OK)),
            scene("procfs", "scratch", &[STATIC, "write", "/proc/sys/kernel/hostname"], FAILED),
            scene("no-directory", "bookworm", &[STATIC, "write", "/tmp/a/b"], FAILED),
            scene("reads", "bookworm", &[STATIC, "read", "/etc/shadow"], FAILED).with(USER),
            read_only(scene("visited", "bookworm", &[STATIC, "serve"], OK))
                .visited(&[STATIC, "write", "/srv/x"], 1)
                .stopped("10"),
        ],
    );
}

#[test]
fn an_image_without_time_zones_is_told_from_a_zone_that_does_not_exist() {
    const ID: &str = "timezone-data-missing";
    const BERLIN: &[&str] = &[STATIC, "tz", "Europe/Berlin"];
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("load", "scratch", BERLIN, FAILED)
                .fails(ID, &["time zone Europe/Berlin"])
                .severity("warning"),
            scene("variable", "scratch", &[STATIC, "local-time"], OK)
                .with(&["--env", "TZ=Europe/Berlin"])
                .fails(ID, &["time zone Europe/Berlin of TZ", "UTC"])
                .severity("warning"),
            scene("goes-on", "musl", &[STATIC, "tz-tolerant", "Europe/Berlin"], OK)
                .fails(ID, &["time zone Europe/Berlin"])
                .severity("warning"),
            scene("installed", "bookworm", BERLIN, OK),
            scene("embedded", "scratch", &["/app/probe.tzdata", "tz", "Europe/Berlin"], OK),
            scene("no-such-zone", "bookworm", &[STATIC, "tz", "Mars/Phobos"], FAILED),
            scene("unset", "scratch", &[STATIC, "local-time"], OK),
            scene("utc", "scratch", &[STATIC, "local-time"], OK).with(&["--env", "TZ=UTC"]),
        ],
    );
}

/// Diagnoses of this pattern.
fn of(agent: &Agent, container: &Container, pattern: &str) -> Vec<Value> {
    let all = agent.remarks_and_diagnoses(&container.id());
    all.into_iter().filter(|one| one["pattern"] == pattern).collect()
}

#[test]
fn a_missing_resolver_configuration_and_an_unreadable_release_are_remarks() {
    /// The container may take its own mounts away.
    const FREE: &[&str] = &["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"];
    const NO_RESOLVER: &str =
        "umount /etc/resolv.conf; rm /etc/resolv.conf; exec /app/probe.static lookup db";
    const NO_PROC: &str = "umount -l /proc; exec /app/probe.static read /proc/sys/kernel/osrelease";
    let agent = Agent::start();
    let told = |what: &str, script: &str, pattern: &str| {
        let container = Container::new(what, "musl", &["/bin/sh", "-c", script]).with(FREE);
        container.run();
        let found = wait_for(pattern, || of(&agent, &container, pattern).pop());
        assert_eq!((&found["severity"], &found["confidence"]), (&"info".into(), &"certain".into()));
    };
    told("resolver", NO_RESOLVER, "resolver-config-missing");
    told("release", NO_PROC, "osrelease-unreadable");
    for (what, command, pattern) in [
        // Only nsswitch.conf is missing.
        ("resolves", &[STATIC, "lookup", "db"] as &[&str], "resolver-config-missing"),
        ("reads-release", &[STATIC, "read", "/proc/sys/kernel/osrelease"], "osrelease-unreadable"),
    ] {
        let container = Container::new(what, "musl", command);
        assert_eq!(container.run().code, Some(0), "{what}");
        crate::support::fence(&agent);
        assert!(of(&agent, &container, pattern).is_empty(), "{what}");
    }
}
