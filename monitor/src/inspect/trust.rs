//! The root certificates that Go's crypto/x509 would find in a container. Counts what parses; verifies nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{
    error_text,
    found::{Found, Lookup},
    root::ContainerRoot,
};
use crate::model::{
    access::{EXECUTE, READ},
    fact::{CertificateDates, Config, FileKind, Known, TrustState, TrustStore},
};

/// `certFiles` of `crypto/x509/root_linux.go`.
const FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// `certDirectories` of `crypto/x509/root_linux.go`.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
/// The bundle of all public roots has 0.2 MiB.
const BUNDLE_LIMIT_BYTES: u64 = 4 << 20;
const CERTIFICATE_LIMIT: u32 = 4096;
const DIRECTORY_ENTRY_LIMIT: usize = 1024;
const DIRECTORY_BUDGET_BYTES: u64 = 8 << 20;
const NOT_NEEDED: &str = "not needed: a bundle has certificates";

/// What Go would load, in its order.
pub(super) fn find(root: &ContainerRoot<'_>, config: &Config) -> Known<TrustStore> {
    let variable = |name: &str| config.env.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let files = variable("SSL_CERT_FILE").map_or_else(|| FILES.to_vec(), |file| vec![file]);
    let directories =
        variable("SSL_CERT_DIR").map_or_else(|| DIRECTORIES.to_vec(), |list| list.split(':').collect());
    let mut store = TrustStore::default();
    let mut enough = false;
    for path in files {
        let (state, dates) = bundle(root, path, enough);
        if let (TrustState::Certificates(1..), None) = (&state, store.dates) {
            store.dates = dates;
            enough = true;
        }
        store.files.push((path.to_owned(), state));
    }
    for path in directories {
        store.directories.push((path.to_owned(), directory(root, path, enough)));
    }
    Known::Is(store)
}

/// One bundle file; with `enough` only whether it is there.
fn bundle(root: &ContainerRoot<'_>, path: &str, enough: bool) -> (TrustState, Option<CertificateDates>) {
    let found = match present(root, path, READ) {
        Ok(found) => found,
        Err(state) => return (state, None),
    };
    if enough {
        return (TrustState::Unknown(NOT_NEEDED.to_owned()), None);
    }
    if found.kind == FileKind::Directory {
        return (TrustState::Unreadable(TrustState::DIRECTORY.to_owned()), None);
    }
    match found.read(BUNDLE_LIMIT_BYTES) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => (TrustState::Empty, None),
        Ok(bytes) => {
            let (count, dates) = certificates(&bytes);
            (TrustState::Certificates(count), dates)
        }
        Err(error) => (TrustState::Unknown(error_text(&error)), None),
    }
}

/// All files of a directory, as Go reads them whatever their names.
fn directory(root: &ContainerRoot<'_>, path: &str, enough: bool) -> TrustState {
    let found = match present(root, path, READ | EXECUTE) {
        Ok(found) => found,
        Err(state) => return state,
    };
    if enough {
        return TrustState::Unknown(NOT_NEEDED.to_owned());
    }
    // Go takes ENOTDIR for an empty list.
    if found.kind != FileKind::Directory {
        return TrustState::Certificates(0);
    }
    let names = match found.names(DIRECTORY_ENTRY_LIMIT) {
        Ok(names) => names,
        Err(error) => return TrustState::Unknown(error_text(&error)),
    };
    let (complete, mut left, mut total) =
        (names.len() < DIRECTORY_ENTRY_LIMIT, DIRECTORY_BUDGET_BYTES, 0_u32);
    for name in names {
        let file = match root.look(&format!("{path}/{name}")) {
            Ok(Lookup::Found(file)) => file,
            Ok(Lookup::Absent { .. }) => continue,
            Err(error) => return TrustState::Unknown(error_text(&error)),
        };
        if file.kind != FileKind::Regular || !file.lets(&root.user, READ) {
            continue;
        }
        let Ok(bytes) = file.read(left.min(BUNDLE_LIMIT_BYTES)) else {
            return TrustState::Unknown(format!("{path}/{name} cannot be read or is too large"));
        };
        left = left.saturating_sub(bytes.len() as u64);
        total = total.saturating_add(certificates(&bytes).0);
    }
    if complete || total > 0 {
        TrustState::Certificates(total)
    } else {
        TrustState::Unknown(format!("{path} has more than {DIRECTORY_ENTRY_LIMIT} entries"))
    }
}

/// The file, if it is there and the container's user gets at it.
fn present(root: &ContainerRoot<'_>, path: &str, bits: u32) -> Result<Found, TrustState> {
    let found = match root.look(path) {
        Ok(Lookup::Found(found)) => found,
        Ok(Lookup::Absent { .. }) => return Err(TrustState::Absent),
        Err(error) => return Err(TrustState::Unknown(error_text(&error))),
    };
    match found.closed_to(&root.user, bits) {
        Some(reason) => Err(TrustState::Unreadable(reason)),
        None => Ok(found),
    }
}

/// Seconds since the Unix epoch.
pub(super) fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// How many certificates in a PEM text parse, and their dates.
pub(super) fn certificates(pem: &[u8]) -> (u32, Option<CertificateDates>) {
    let looked_s = now_s();
    let (mut count, mut expired, mut newest) = (0_u32, 0_u32, None);
    for der in CertificateDer::pem_slice_iter(pem).flatten() {
        let Ok((_, certificate)) = X509Certificate::from_der(&der) else { continue };
        let validity = certificate.validity();
        newest = newest.max(Some(validity.not_before.timestamp()));
        expired = expired.saturating_add(u32::from(validity.not_after.timestamp() < looked_s));
        count = count.saturating_add(1);
        if count >= CERTIFICATE_LIMIT {
            break;
        }
    }
    let dates = newest.map(|newest_not_before_s| CertificateDates {
        newest_not_before_s,
        expired,
        total: count,
        looked_s,
    });
    (count, dates)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ed25519 certificate made for this test, valid until 1 January 2031.
    const CERTIFICATE: &str = include_str!("testdata/root.pem");

    #[test]
    fn only_what_parses_counts() {
        let (count, dates) = certificates(CERTIFICATE.as_bytes());
        assert_eq!((count, dates.map(|d| d.newest_not_before_s)), (1, Some(1_735_689_600)));
        let rest = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(rest.as_bytes()), (0, None));
        assert_eq!(certificates(format!("{rest}junk\n{CERTIFICATE}").as_bytes()).0, 1);
        assert_eq!(certificates(b"").0, 0);
    }
}
