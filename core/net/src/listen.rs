use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tidegate_base::Address;
use tokio::net::{TcpListener, UnixListener};

use crate::unix::{is_abstract, socket_path};
use crate::{NetError, Stream};

/// How many connections the system holds back for a busy listener, unless it is told otherwise.
pub const BACKLOG: u16 = 4096;

/// How a socket listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// How many connections the system holds back until they are accepted.
    pub backlog: u16,
    /// Other processes may listen on the same TCP port.
    pub reuse_port: bool,
    /// The permissions of a Unix socket's file.
    pub mode: Option<u32>,
    /// Its group.
    pub group: Option<u32>,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            backlog: BACKLOG,
            reuse_port: false,
            mode: None,
            group: None,
        }
    }
}

/// A listening socket. A Unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub struct Bound {
    sockets: Sockets,
    unlink: Option<PathBuf>,
    shares_port: bool,
}

#[derive(Debug)]
enum Sockets {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
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
    pub async fn listen(address: &Address, how: &Listening) -> Result<Self, NetError> {
        let listening = match address {
            Address::Tcp { host, port } => listen_tcp(host, *port, how).await,
            Address::Unix(path) => listen_unix(path, how),
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
            Sockets::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// Listens on as is said, as far as a socket that is bound can: other processes share its port, or do not, for as long
    /// as it lives.
    pub fn adjust(&self, how: &Listening) -> io::Result<()> {
        let backlog = i32::from(how.backlog);
        match &self.sockets {
            Sockets::Tcp(listener) => SockRef::from(listener).listen(backlog)?,
            Sockets::Unix(listener, _) => SockRef::from(listener).listen(backlog)?,
        }
        self.unlink.as_deref().map_or(Ok(()), |file| permit(file, how))
    }

    /// Whether other processes may listen on its port.
    pub fn shares_port(&self) -> bool {
        self.shares_port
    }

    /// Listens no more: who comes is for the other processes on its port.
    pub fn give_way(&self) {
        if let Sockets::Tcp(listener) = &self.sockets {
            let _ = SockRef::from(listener).shutdown(std::net::Shutdown::Read);
        }
    }

    /// Waits for the next client.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.sockets {
            Sockets::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::tcp(stream)?, Peer::Tcp(peer)))
            }
            Sockets::Unix(listener, _) => {
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

async fn listen_tcp(host: &str, port: u16, how: &Listening) -> io::Result<Bound> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        match bind_tcp(address, how) {
            Ok(listener) => {
                return Ok(Bound {
                    sockets: Sockets::Tcp(listener),
                    unlink: None,
                    shares_port: how.reuse_port,
                });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_tcp(address: SocketAddr, how: &Listening) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if how.reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::from(how.backlog))?;
    TcpListener::from_std(socket.into())
}

fn listen_unix(path: &Path, how: &Listening) -> io::Result<Bound> {
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
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(socket_path(path))?)?;
    let unlink = (!is_abstract(path)).then(|| path.to_owned());
    // Nobody comes in before the file is as it is wanted.
    let listening = unlink
        .as_deref()
        .map_or(Ok(()), |file| permit(file, how))
        .and_then(|()| socket.listen(i32::from(how.backlog)))
        .and_then(|()| UnixListener::from_std(socket.into()));
    match listening {
        Ok(listener) => Ok(Bound {
            sockets: Sockets::Unix(listener, path.to_owned()),
            unlink,
            shares_port: false,
        }),
        Err(error) => {
            if let Some(file) = &unlink {
                let _ = std::fs::remove_file(file);
            }
            Err(error)
        }
    }
}

/// Gives a Unix socket's file the group and the permissions that are wanted.
fn permit(file: &Path, how: &Listening) -> io::Result<()> {
    if how.group.is_some() {
        chown(file, None, how.group)?;
    }
    if let Some(mode) = how.mode {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}
