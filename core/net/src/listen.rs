use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};
use tidegate_base::Address;
use tokio::net::{TcpListener, UnixListener};

use crate::{NetError, Stream};

/// How many connections the system holds back for a busy listener.
const BACKLOG: i32 = 4096;

/// A listening socket. A Unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub struct Bound {
    sockets: Sockets,
    unlink: Option<PathBuf>,
}

#[derive(Debug)]
enum Sockets {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who is at the other end of an accepted stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// A process of this machine, over a Unix socket.
    Unix {
        /// Its effective user, where the system tells.
        uid: Option<u32>,
    },
}

impl Bound {
    /// Listens on `address`. A Unix socket left behind by a process that is gone is replaced; one that still answers is
    /// an error.
    pub async fn listen(address: &Address) -> Result<Self, NetError> {
        let listening = match address {
            Address::Tcp { host, port } => listen_tcp(host, *port).await,
            Address::Unix(path) => listen_unix(path),
        };
        listening.map_err(|source| NetError::Listen {
            address: address.to_string(),
            source,
        })
    }

    /// The address that was really bound; differs from the asked one where the port was 0.
    pub fn address(&self) -> String {
        match &self.sockets {
            Sockets::Tcp(listener) => listener.local_addr().map_or_else(|_| String::new(), |a| a.to_string()),
            Sockets::Unix(_) => self
                .unlink
                .as_ref()
                .map_or_else(String::new, |path| format!("unix:{}", path.display())),
        }
    }

    /// Waits for the next client.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.sockets {
            Sockets::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::tcp(stream)?, Peer::Tcp(peer)))
            }
            Sockets::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Stream::unix(stream), Peer::Unix { uid }))
            }
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(path) = &self.unlink {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Peer {
    /// The IP address; none for a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "{address}"),
            Self::Unix { uid: Some(uid) } => write!(out, "unix:uid={uid}"),
            Self::Unix { uid: None } => out.write_str("unix"),
        }
    }
}

async fn listen_tcp(host: &str, port: u16) -> io::Result<Bound> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        match bind_tcp(address) {
            Ok(listener) => {
                return Ok(Bound {
                    sockets: Sockets::Tcp(listener),
                    unlink: None,
                });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn listen_unix(path: &Path) -> io::Result<Bound> {
    let left_behind = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if left_behind {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another process is listening on it",
            ));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    Ok(Bound {
        sockets: Sockets::Unix(listener),
        unlink: Some(path.to_owned()),
    })
}
