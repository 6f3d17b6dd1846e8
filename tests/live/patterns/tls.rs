//! Root certificates, certificates and keys that a program cannot use, and what looks like it.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{Agent, play, scene};

const STATIC: &str = "/app/probe.static";
const REFUSED: &[&str] = &[STATIC, "tls-local"];
const OK: &[i32] = &[0];
const FAILS: &[i32] = &[1];

#[test]
fn a_bundle_that_is_no_good_is_told_with_the_reason_once_a_server_was_refused() {
    const ID: &str = "ca-bundle-unusable";
    let host = tempfile::tempdir().unwrap();
    fs::set_permissions(host.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let closed = host.path().join("closed.pem");
    fs::write(&closed, "closed").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    let closed = format!("{}:/etc/ssl/certs/ca-certificates.crt:ro", closed.display());
    let named = |bundle: &str| ["--env".to_owned(), format!("SSL_CERT_FILE={bundle}")];
    let with = |what, image, command, exits, bundle: &str| {
        let [option, value] = named(bundle);
        scene(what, image, command, exits).with(&[&option, &value])
    };
    let agent = Agent::start();
    play(
        &agent,
        vec![
            with("empty", "scratch", REFUSED, FAILS, "/bundles/empty.pem")
                .fails(ID, &["/bundles/empty.pem: empty", STATIC]),
            with("corrupt", "bookworm", &["/app/probe.glibc", "tls-local"], FAILS, "/bundles/garbage.pem")
                .fails(ID, &["/bundles/garbage.pem: corrupt"]),
            with("expired", "scratch", REFUSED, FAILS, "/bundles/expired.pem")
                .fails(ID, &["/bundles/expired.pem: expired", "all 130 certificates"]),
            with("variable", "scratch", REFUSED, FAILS, "/nowhere/ca.crt")
                .fails(ID, &["/nowhere/ca.crt: variable", "SSL_CERT_FILE"]),
            scene("unreadable", "scratch", REFUSED, FAILS)
                .with(&["--user", "1000", "--volume", &closed])
                .fails(ID, &["/etc/ssl/certs/ca-certificates.crt: unreadable", "EACCES"]),
            // The directory makes up for the variable; whose certificate it is nobody knows.
            with("directory", "scratch-ca", REFUSED, FAILS, "/nowhere/ca.crt"),
            with("unknown-authority", "scratch", REFUSED, FAILS, "/bundles/good.pem"),
            with("own-roots", "scratch", &[STATIC, "tls-local-ok"], OK, "/bundles/empty.pem"),
            with("fallback", "scratch", &[STATIC, "tls-fallback"], OK, "/bundles/empty.pem"),
            with("pool", "scratch", &[STATIC, "system-pool"], OK, "/bundles/empty.pem"),
        ],
    );
}

#[test]
fn an_outdated_bundle_is_a_warning_for_the_program_that_reads_it() {
    const ID: &str = "ca-bundle-stale";
    const TRUSTS: &[&str] = &[STATIC, "tls-pair", "/certs/server.crt", "/certs/server.key"];
    let agent = Agent::start();
    let warning = |what, bundle, says| {
        scene(what, "scratch", REFUSED, FAILS)
            .with(&["--env", bundle])
            .fails(ID, says)
            .severity("warning")
            .confidence("high")
    };
    play(
        &agent,
        vec![
            warning("stale", "SSL_CERT_FILE=/bundles/stale.pem", &["/bundles/stale.pem", "years old"]),
            warning("aging", "SSL_CERT_FILE=/bundles/aging.pem", &["/bundles/aging.pem", "26 of 156"]),
            scene("current", "scratch", TRUSTS, OK).with(&["--env", "SSL_CERT_FILE=/bundles/good.pem"]),
            scene("unused", "scratch", &[STATIC, "ok"], OK)
                .with(&["--env", "SSL_CERT_FILE=/bundles/stale.pem"]),
        ],
    );
}

#[test]
fn a_key_pair_that_cannot_be_loaded_is_told_with_the_reason() {
    const ID: &str = "tls-key-pair-unusable";
    const ADDRESS: &str = "127.0.0.1:8443";
    let agent = Agent::start();
    let server = |what, command| scene(what, "scratch", command, FAILS);
    play(
        &agent,
        vec![
            server("missing", &[STATIC, "tls-server", "/tls/tls.crt", "/tls/tls.key", ADDRESS])
                .fails(ID, &["/tls/tls.crt: missing"])
                .confidence("high"),
            server(
                "unreadable",
                &[STATIC, "tls-server", "/certs/server.crt", "/certs/root-only.key", ADDRESS],
            )
            .with(&["--user", "1000"])
            .fails(ID, &["/certs/root-only.key: unreadable"])
            .confidence("high"),
            server("directory", &[STATIC, "tls-server", "/certs/dir.crt", "/certs/server.key", ADDRESS])
                .fails(ID, &["/certs/dir.crt: directory"]),
            server("mismatch", &[STATIC, "tls-server", "/certs/server.crt", "/certs/other.key", ADDRESS])
                .fails(ID, &["/certs/other.key: not a pair", "/certs/server.crt"])
                .confidence("high"),
            server("garbage", &[STATIC, "tls-server", "/certs/garbage.crt", "/certs/server.key", ADDRESS])
                .fails(ID, &["/certs/garbage.crt: corrupt"])
                .confidence("high"),
            scene(
                "pair",
                "scratch",
                &[STATIC, "tls-server", "/certs/server.crt", "/certs/server.key", ADDRESS],
                OK,
            )
            .stopped("10"),
            // It starts with it; its clients refuse.
            scene(
                "expired",
                "scratch",
                &[STATIC, "tls-server", "/certs/expired.crt", "/certs/server.key", ADDRESS],
                OK,
            )
            .stopped("10"),
            scene(
                "optional",
                "scratch",
                &[STATIC, "tls-optional", "/tls/tls.crt", "/tls/tls.key", "127.0.0.1:8080"],
                OK,
            )
            .stopped("10"),
            server("authority", &[STATIC, "read", "/tls/ca.pem"]),
            server("signing-key", &[STATIC, "read", "/keys/jwt.key"]),
        ],
    );
}
