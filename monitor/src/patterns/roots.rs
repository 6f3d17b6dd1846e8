//! How a Go process looks for root certificates, and what comes of it: the ground that the patterns about trust stores
//! stand on.

use super::wording::{libc, program};
use crate::{
    case::{Case, ExitSeen, OpenSeen, Process},
    model::{
        errno::Errno,
        fact::{LibcKind, TrustState, TrustStore},
        text::inert,
        time::{BootNs, SECOND},
    },
};

/// A program that ends in failure this soon after it looked for roots most likely ends because of it.
const GIVES_UP_NS: u64 = 2 * SECOND;
/// Packages that bring roots along in the binary.
const FALLBACK_ROOTS: &str = "golang.org/x/crypto/x509roots/fallback";
/// Where the package of Debian and of Alpine has its bundle.
const PACKAGED: &str = "/etc/ssl/certs/ca-certificates.crt";
const COPY_BUNDLE: &str =
    "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt";

/// One process of a Go program that looked for roots.
pub(super) struct Look<'a> {
    pub(super) process: &'a Process,
    /// Opens at Go's own places, and at those that the variables name, in order.
    pub(super) opens: Vec<&'a OpenSeen>,
}

/// All of them.
pub(super) fn looks(case: &Case) -> impl Iterator<Item = Look<'_>> {
    case.processes()
        .filter(|process| !process.is_runtime_stage() && process.go_started.is_some())
        .map(|process| Look { process, opens: opens(case, process) })
}

fn opens<'a>(case: &Case, process: &'a Process) -> Vec<&'a OpenSeen> {
    let store = case.trust_store.get();
    let is_place = |path: &str| {
        let mut files = store.into_iter().flat_map(|store| &store.files);
        let mut directories = store.into_iter().flat_map(|store| &store.directories);
        is_file_of_go(path)
            || is_directory_of_go(path)
            || files.any(|(file, _)| file == path)
            || directories.any(|(directory, _)| is_in(directory, path))
    };
    process.opens.iter().filter(|open| is_place(&open.path)).collect()
}

/// The directory itself, or what lies in it.
pub(super) fn is_in(directory: &str, path: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl<'a> Look<'a> {
    /// The time of its first open.
    pub(super) fn began(&self) -> Option<BootNs> {
        self.opens.iter().map(|open| open.at).min()
    }

    /// The time of its last open.
    pub(super) fn done(&self) -> Option<BootNs> {
        self.opens.iter().map(|open| open.at).max()
    }

    /// What came of opening `path`: of several tries the last one.
    pub(super) fn open(&self, path: &str) -> Option<&'a OpenSeen> {
        self.opens.iter().rfind(|open| open.path == path).copied()
    }

    /// Places of `crypto/x509/root_linux.go` that it looked at: a variable replaces them by one.
    pub(super) fn looked_at_usual_files(&self) -> bool {
        self.opens.iter().filter(|open| is_file_of_go(&open.path)).count() > 1
    }

    /// It looked at no usual place that its container's variables replace: its own environment is that of the container.
    pub(super) fn follows(&self, store: &TrustStore) -> bool {
        let mut places = self.opens.iter().map(|open| open.path.as_str());
        places.all(|path| {
            let is_named = |list: &[(String, TrustState)]| list.iter().any(|(place, _)| place == path);
            let is_inside = || store.directories.iter().any(|(directory, _)| is_in(directory, path));
            let is_usual = is_file_of_go(path) || matches!(path, "/etc/ssl/certs" | "/etc/pki/tls/certs");
            !is_usual || is_named(&store.files) || is_inside()
        })
    }

    /// Something was in its way other than that nothing is there.
    pub(super) fn was_denied(&self) -> bool {
        let is_denial = |errno: Errno| !matches!(errno, Errno::ENOENT | Errno::ENOTDIR);
        self.opens.iter().any(|open| open.result.is_err_and(is_denial))
    }

    /// It opened something that is not known to be an empty directory.
    pub(super) fn has_opened_any(&self, case: &Case) -> bool {
        let directories = case.trust_store.get().map(|store| store.directories.as_slice());
        let is_barren = |path: &str| {
            let mut known = directories.unwrap_or_default().iter();
            known.any(|(directory, state)| {
                directory == path && matches!(state, TrustState::Empty | TrustState::Certificates(0))
            })
        };
        self.opens.iter().any(|open| open.result.is_ok() && !is_barren(&open.path))
    }

    /// It ended in failure soon after it had looked.
    pub(super) fn gave_up(&self, looked_at: BootNs) -> Option<ExitSeen> {
        let exit = self.process.exit?;
        (exit.shell_code() != 0 && exit.at.since(looked_at) <= GIVES_UP_NS).then_some(exit)
    }

    /// The program, inert.
    pub(super) fn name(&self) -> String {
        program(self.process)
    }
}

/// The binary has roots of its own.
pub(super) fn brings_roots(case: &Case) -> bool {
    case.go().is_some_and(|build| build.dependencies.iter().any(|name| name.starts_with(FALLBACK_ROOTS)))
}

/// `certFiles` of `crypto/x509/root_linux.go`.
fn is_file_of_go(path: &str) -> bool {
    matches!(
        path,
        "/etc/ssl/certs/ca-certificates.crt"
            | "/etc/pki/tls/certs/ca-bundle.crt"
            | "/etc/ssl/ca-bundle.pem"
            | "/etc/pki/tls/cacert.pem"
            | "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
            | "/etc/ssl/cert.pem"
    )
}

/// Its directories; the last one until Go 1.19.
pub(super) fn is_directory_of_go(path: &str) -> bool {
    matches!(path, "/etc/ssl/certs" | "/etc/pki/tls/certs" | "/system/etc/security/cacerts")
}

/// Lines of a Dockerfile that bring a bundle where there is none.
pub(super) fn install(case: &Case) -> String {
    lines(case, "install -y --no-install-recommends ca-certificates", "")
}

/// Lines of a Dockerfile that put current roots into the place of a bundle that is no good.
pub(super) fn renew(case: &Case, bundle: &str) -> String {
    if bundle == PACKAGED {
        let lines =
            lines(case, "install -y --reinstall ca-certificates", " && update-ca-certificates --fresh");
        return format!("# current roots; a newer base image has them too\n{lines}");
    }
    format!(
        "# current roots, from a build stage that has the package ca-certificates\n\
        COPY --from=build {PACKAGED} {}",
        inert(bundle)
    )
}

fn lines(case: &Case, apt_get: &str, then: &str) -> String {
    match case.libc.get() {
        Some(Some(found)) if found.kind == LibcKind::Musl => {
            format!("RUN apk add --no-cache ca-certificates{then}")
        }
        Some(Some(_)) => {
            format!("RUN apt-get update && apt-get {apt_get}{then} && rm -rf /var/lib/apt/lists/*")
        }
        None => COPY_BUNDLE.to_owned(),
        Some(None) => {
            format!("# the image has {}: copy the bundle from the build stage\n{COPY_BUNDLE}", libc(None))
        }
    }
}
