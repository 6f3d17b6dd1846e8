//! Opens the agent's sockets, or says who is in the way. Never removes what is not a dead socket of its own.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream as Probe,
    },
    path::{Path, PathBuf},
};

use axum::serve::Listener;
use tokio::net::{TcpListener, UnixListener, UnixStream, unix::SocketAddr};

/// Why the agent cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "{address} is in use: stop the process that listens there, or choose another address with --listen"
    )]
    AddressInUse { address: String },
    #[error("cannot listen on {address}")]
    Tcp {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("another gomon answers on {}: stop it, or choose another path with --socket", path.display())]
    SocketInUse { path: PathBuf },
    #[error("{} exists and is not a socket: choose another path with --socket", path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot listen on {}", path.display())]
    Unix {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Listens on `HOST:PORT`.
pub async fn listen_tcp(address: &str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| {
        let address = address.to_owned();
        if source.kind() == io::ErrorKind::AddrInUse {
            ListenError::AddressInUse { address }
        } else {
            ListenError::Tcp { address, source }
        }
    })
}

/// A unix socket that only its owner may use; removed when dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl UnixSocket {
    /// Listens at `path`, whose directory is made where it is missing. A socket that nobody answers on is replaced.
    pub fn listen(path: &Path) -> Result<Self, ListenError> {
        let path = path.to_owned();
        let failed = |source| ListenError::Unix { path: path.clone(), source };
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket { path }),
            Ok(_) if Probe::connect(&path).is_ok() => return Err(ListenError::SocketInUse { path }),
            Ok(_) => fs::remove_file(&path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        let socket = Self { listener, path: path.clone() };
        // Between the two calls the usual umask 022 already keeps others from connecting.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(socket)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // What cannot be removed is found dead, and replaced, by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

impl Listener for UnixSocket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        Listener::accept(&mut self.listener).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
