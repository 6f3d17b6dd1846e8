//! Opens the agent's sockets, or says who is in the way. Never removes what is not a dead socket of its own.

use std::{
    fs, io,
    net::TcpListener as BoundTcp,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, chown},
        net::{UnixListener as BoundUnix, UnixStream as Probe},
    },
    path::{Path, PathBuf},
};

use axum::serve::Listener;
use tokio::net::{TcpListener, UnixListener, UnixStream, unix::SocketAddr};

/// Connections that the kernel takes before gomon does.
const BACKLOG: i32 = 1024;

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

/// Listens on `HOST:PORT`. Needs no runtime: whoever serves it calls [`tcp`].
pub fn listen_tcp(address: &str) -> Result<BoundTcp, ListenError> {
    let listen = || {
        let bound = BoundTcp::bind(address)?;
        bound.set_nonblocking(true)?;
        rustix::net::listen(&bound, BACKLOG)?;
        Ok(bound)
    };
    listen().map_err(|source: io::Error| {
        let address = address.to_owned();
        if source.kind() == io::ErrorKind::AddrInUse {
            ListenError::AddressInUse { address }
        } else {
            ListenError::Tcp { address, source }
        }
    })
}

/// The same socket, for the runtime that runs here.
pub fn tcp(bound: BoundTcp) -> Result<TcpListener, ListenError> {
    let address = bound.local_addr().map(|address| address.to_string()).unwrap_or_default();
    TcpListener::from_std(bound).map_err(|source| ListenError::Tcp { address, source })
}

/// Where a unix socket is; it goes when this is dropped.
#[derive(Debug)]
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is found dead, and replaced, by the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// A unix socket that nobody serves yet.
#[derive(Debug)]
pub struct BoundSocket {
    listener: BoundUnix,
    place: Place,
}

impl BoundSocket {
    /// Listens at `path`, whose directory is made where it is missing, for `owner`: a user that gomon becomes later can
    /// remove the socket then. A socket that nobody answers on is replaced. Only the user who runs this may connect.
    pub fn listen(path: &Path, owner: Option<u32>) -> Result<Self, ListenError> {
        let path = path.to_owned();
        let failed = |source| ListenError::Unix { path: path.clone(), source };
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket { path }),
            Ok(_) if Probe::connect(&path).is_ok() => return Err(ListenError::SocketInUse { path }),
            Ok(_) => fs::remove_file(&path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), |parent| make(parent, owner)).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let listener = BoundUnix::bind(&path).map_err(failed)?;
        let socket = Self { listener, place: Place(path.clone()) };
        // Between the two calls the usual umask 022 already keeps others from connecting.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        socket.listener.set_nonblocking(true).map_err(failed)?;
        Ok(socket)
    }

    /// For the runtime that runs here.
    pub fn start(self) -> Result<UnixSocket, ListenError> {
        let Self { listener, place } = self;
        match UnixListener::from_std(listener) {
            Ok(listener) => Ok(UnixSocket { listener, _place: place }),
            Err(source) => Err(ListenError::Unix { path: place.0.clone(), source }),
        }
    }
}

/// A directory that was there is left as it is.
fn make(directory: &Path, owner: Option<u32>) -> io::Result<()> {
    if directory.exists() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    // Who may not give it away finds the socket dead at the next start.
    let _ = owner.map(|owner| chown(directory, Some(owner), Some(owner)));
    Ok(())
}

/// A unix socket that only its owner may use; removed when dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    _place: Place,
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
