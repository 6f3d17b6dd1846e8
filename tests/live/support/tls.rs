//! A server behind TLS that takes whatever is posted to it, and knows nothing of gomon's own client.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// What was posted: the head of the request, and its body.
type Posted = (String, Vec<u8>);

pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
}

/// A file beside the unit tests of the export: a key pair for 127.0.0.1 and localhost, and who vouches for it.
pub(crate) fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink/otlp/testdata").join(name)
}

impl TlsServer {
    /// Serves until the test's process ends.
    pub(crate) fn start() -> Self {
        let chain = CertificateDer::pem_file_iter(pem("receiver.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(pem("receiver.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain.map(|one| one.expect("a certificate")).collect(), key)
            .expect("a pair");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let posted = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&posted);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, shared) = (Arc::clone(&config), Arc::clone(&shared));
                // A client that goes away, or does not believe it, is no concern of the server's.
                thread::spawn(move || serve(stream, config, &shared));
            }
        });
        Self { address, posted }
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().expect("no thread of it panicked").clone()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, posted: &Mutex<Vec<Posted>>) -> Option<()> {
    let connection = ServerConnection::new(config).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        posted.lock().ok()?.push((head, body));
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}
