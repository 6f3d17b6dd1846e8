//! Whom gomon believes to be the receiver, where it is reached through TLS. Never speaks it to an address of http.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::Protocol;

/// Bytes of a file of certificates.
const MAX_BYTES: u64 = 4 << 20;

/// Why receivers cannot be told from others.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: {why}", path.display())]
    Certificates { path: PathBuf, why: String },
    #[error("no certificates of authorities were found on this system; name a file with otlp_ca_file")]
    NoneOfSystem,
    #[error("no TLS")]
    Provider(#[from] rustls::Error),
}

/// Whose certificates count.
#[derive(Debug, Clone)]
pub struct Roots(ClientConfig);

impl Roots {
    /// For an endpoint without TLS.
    pub fn none() -> Result<Self, TlsError> {
        Self::of(RootCertStore::empty())
    }

    /// Those of the system, read now.
    pub fn system() -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(TlsError::NoneOfSystem);
        }
        Self::of(roots)
    }

    /// Those of a PEM file alone, read now.
    pub fn file(path: &Path) -> Result<Self, TlsError> {
        let failed = |source| TlsError::Read { path: path.to_owned(), source };
        let wrong = |why: String| TlsError::Certificates { path: path.to_owned(), why };
        if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
            return Err(wrong(format!("larger than {MAX_BYTES} bytes")));
        }
        let text = fs::read(path).map_err(failed)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("no certificate in it".to_owned()));
        }
        Self::of(roots)
    }

    fn of(roots: RootCertStore) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        Ok(Self(config.with_root_certificates(roots).with_no_client_auth()))
    }

    pub(super) fn connector(self, protocol: Protocol) -> HttpsConnector<HttpConnector> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.0).https_or_http();
        match protocol {
            Protocol::Grpc => builder.enable_http2().build(),
            Protocol::HttpProtobuf => builder.enable_http1().build(),
        }
    }
}
