//! Over TLS a receiver is believed if an authority of the configuration vouches for it, and no other.

use std::path::PathBuf;

use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::{receiver::Receiver, *};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/sink/otlp/testdata").join(name)
}

fn server(protocol: Protocol) -> ServerConfig {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(data("receiver.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(data("receiver.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    if protocol == Protocol::Grpc {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    config
}

#[tokio::test]
async fn a_receiver_is_believed_if_the_configured_authority_vouches_for_it() {
    for protocol in PROTOCOLS {
        let any = "127.0.0.1:0".parse().unwrap();
        let receiver = Receiver::listen(protocol, any, &[], Some(server(protocol))).await;
        let url = format!("https://{}", receiver.address);
        let exporter_of = |authority: &str| {
            let roots = Roots::file(&data(authority)).unwrap();
            start(Settings { roots, ..settings(protocol, &url) })
        };
        let stranger = exporter_of("other.pem");
        stranger.handle().take(&sighting("api", 1), Why::New);
        wait_for("the refusal", || stranger.handle().tallies().retries > 0).await;
        assert!(receiver.tries().is_empty(), "nothing was said to it");
        assert_eq!(stranger.finish(Duration::ZERO).await, 1);
        let exporter = exporter_of("ca.pem");
        exporter.handle().take(&sighting("api", 1), Why::New);
        wait_for("the record", || exporter.handle().tallies().accepted == 1).await;
        assert_eq!(receiver.records().len(), 1, "{protocol:?}");
    }
}
