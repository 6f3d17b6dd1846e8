//! The containers of the demo: what each gets wrong, and what gomon must say about it.

use crate::fixtures::Image;

/// One container of the parade.
pub(super) struct Act {
    /// The container is called `gomon-demo-` and this.
    pub(super) name: &'static str,
    pub(super) shows: &'static str,
    pub(super) image: Image,
    pub(super) options: &'static [&'static str],
    pub(super) command: &'static [&'static str],
    pub(super) finale: Finale,
    /// The pattern to be named; nothing for a healthy container.
    pub(super) expected: Option<&'static str>,
}

/// What is done to a container after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finale {
    /// It ends by itself.
    Watch,
    /// `docker stop` once it says that it is ready.
    Stop { grace: &'static str },
}

impl Act {
    pub(super) fn container(&self) -> String {
        format!("gomon-demo-{}", self.name)
    }
}

const fn act(
    name: &'static str,
    shows: &'static str,
    image: Image,
    command: &'static [&'static str],
    expected: &'static str,
) -> Act {
    Act { name, shows, image, options: &[], command, finale: Finale::Watch, expected: Some(expected) }
}

impl Act {
    const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    const fn stopped(self, grace: &'static str) -> Self {
        Self { finale: Finale::Stop { grace }, ..self }
    }

    const fn healthy(self) -> Self {
        Self { expected: None, ..self }
    }
}

pub(super) const PARADE: [Act; 19] = [
    act(
        "healthy-server",
        "a server that stops when asked to",
        Image::ScratchCa,
        &["/app/probe.static", "serve"],
        "",
    )
    .stopped("10")
    .healthy(),
    act(
        "missing-interpreter",
        "a glibc binary in an image without glibc",
        Image::Scratch,
        &["/app/probe.glibc", "ok"],
        "missing-interpreter",
    ),
    act(
        "static-pie",
        "CGO_ENABLED=0 with -buildmode=pie, which still names a loader",
        Image::Scratch,
        &["/app/probe.pie", "ok"],
        "missing-interpreter",
    ),
    act(
        "missing-command",
        "a command that the image lacks",
        Image::Musl,
        &["/app/sevrer"],
        "entrypoint-not-found",
    ),
    act(
        "wrong-architecture",
        "an arm64 binary on this machine",
        Image::Scratch,
        &["/app/probe.arm64", "ok"],
        "wrong-architecture",
    ),
    act("crlf-script", "a script with Windows line ends", Image::Musl, &["/app/crlf.sh"], "bad-shebang"),
    act("no-x-bit", "a binary with mode 0644", Image::Scratch, &["/app/noexec", "ok"], "exec-not-permitted"),
    act(
        "file-capabilities",
        "a binary with a file capability that the container lacks",
        Image::Scratch,
        &["/app/caps", "ok"],
        "exec-not-permitted",
    ),
    act(
        "missing-library",
        "a library that needs a library",
        Image::Bookworm,
        &["/app/probe.needfoo", "ok"],
        "missing-library",
    )
    .with(&["--env", "LD_LIBRARY_PATH=/libs-nobar"]),
    act(
        "no-ca",
        "a TLS client without certificates",
        Image::Scratch,
        &["/app/probe.static", "tls-local"],
        "no-ca-certificates",
    ),
    act(
        "bad-bundle",
        "SSL_CERT_FILE points to an empty file",
        Image::Scratch,
        &["/app/probe.static", "tls-local"],
        "ca-bundle-unusable",
    )
    .with(&["--env", "SSL_CERT_FILE=/bundles/empty.pem"]),
    act(
        "wrong-key",
        "a TLS server whose key belongs to another certificate",
        Image::Scratch,
        &["/app/probe.static", "tls-server", "/certs/server.crt", "/certs/other.key", "127.0.0.1:8443"],
        "tls-key-pair-unusable",
    ),
    act(
        "symbols",
        "a glibc program on musl that needs symbols which only glibc has",
        Image::MuslCompat,
        &["/app/probe.fort", "ok"],
        "libc-mismatch",
    ),
    act(
        "gomemlimit",
        "GOMEMLIMIT=400Mi, in the spelling of Kubernetes",
        Image::Scratch,
        &["/app/probe.static", "ok"],
        "gomemlimit-malformed",
    )
    .with(&["--env", "GOMEMLIMIT=400Mi"]),
    act(
        "read-only",
        "a temporary file on a read-only root",
        Image::Scratch,
        &["/app/probe.static", "write", "/data"],
        "read-only-filesystem",
    )
    .with(&["--read-only"]),
    act(
        "port-taken",
        "a server that listens twice on one port",
        Image::Scratch,
        &["/app/probe.static", "listen-twice", "127.0.0.1:8080"],
        "bind-failed",
    ),
    act(
        "seccomp",
        "a mount that Docker's default profile refuses",
        Image::Scratch,
        &["/app/probe.static", "mount-tmpfs", "/app"],
        "seccomp-denied",
    ),
    act("oom", "a leak under a limit of 32 MiB", Image::Scratch, &["/app/probe.static", "leak"], "oom-kill")
        .with(&["--memory", "32m"]),
    act(
        "sigterm-ignored",
        "a server that ignores SIGTERM",
        Image::Scratch,
        &["/app/probe.static", "ignore-term"],
        "sigterm-ignored",
    )
    .stopped("2"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_act_has_a_name_of_its_own_and_one_is_healthy() {
        let names: BTreeSet<String> = PARADE.iter().map(Act::container).collect();
        assert_eq!(names.len(), PARADE.len());
        assert_eq!(PARADE.iter().filter(|act| act.expected.is_none()).count(), 1);
    }
}
