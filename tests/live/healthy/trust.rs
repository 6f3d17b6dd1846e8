//! Programs that find the certificates that they need, wherever those are.

use super::{GLIBC, MUSL, STATIC, ends, serves};
use crate::support::{Scene, fixture};

const PAIR: &[&str] = &[STATIC, "tls-pair", "/certs/server.crt", "/certs/server.key"];
const PAIR_GLIBC: &[&str] = &[GLIBC, "tls-pair", "/certs/server.crt", "/certs/server.key"];
const PAIR_MUSL: &[&str] = &[MUSL, "tls-pair", "/certs/server.crt", "/certs/server.key"];
/// The bundle that knows who signed the server's certificate.
const GOOD: &[&str] = &["--env", "SSL_CERT_FILE=/bundles/good.pem"];

pub(super) fn scenes() -> Vec<Scene> {
    [clients(), servers()].into_iter().flatten().collect()
}

fn clients() -> Vec<Scene> {
    let good = fixture("bundles/good.pem");
    let at = |path: &str| format!("{}:{path}:ro", good.display());
    let mounted =
        |what, image, path: &str, command| ends(what, image, command).with(&["--volume", &at(path)]);
    vec![
        ends("file", "scratch", PAIR).with(GOOD),
        ends("file-cgo", "bookworm", PAIR_GLIBC).with(GOOD),
        mounted("directory", "scratch", "/trust/good.pem", PAIR).with(&["--env", "SSL_CERT_DIR=/trust"]),
        mounted("debian-place", "scratch", "/etc/ssl/certs/ca-certificates.crt", PAIR),
        mounted("alpine-place", "musl-compat", "/etc/ssl/cert.pem", PAIR_MUSL),
        mounted("fedora-place", "scratch", "/etc/pki/tls/certs/ca-bundle.crt", PAIR),
        mounted("rhel-place", "bookworm", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", PAIR_GLIBC),
        ends("own-roots", "scratch", &[STATIC, "tls-local-ok"]),
        ends("fallback-roots", "scratch", &[STATIC, "tls-fallback"]),
        // Nobody connects to anything: an empty pool is no failure.
        ends("pool-only", "scratch-ca", &[STATIC, "system-pool"]),
    ]
}

fn servers() -> Vec<Scene> {
    vec![
        serves(
            "tls",
            "scratch",
            &[STATIC, "tls-server", "/certs/server.crt", "/certs/server.key", "127.0.0.1:8443"],
        ),
        serves(
            "tls-user",
            "distroless",
            &[GLIBC, "tls-server", "/certs/server.crt", "/certs/server.key", ":8443"],
        )
        .with(&["--user", "65532"]),
        // Without a certificate it serves in the clear, and means to.
        serves("tls-optional", "scratch", &[STATIC, "tls-optional", "/tls/tls.crt", "/tls/tls.key", ":8080"]),
    ]
}
