use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rustls::{ClientConnection, Connection, ServerConnection};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::{Keepalive, NetError};

/// How much plaintext TLS takes before it must be written out.
const TLS_WRITE_LIMIT: usize = 64 * 1024;

/// A byte stream: TCP or Unix socket, with or without TLS.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    tls: Option<Box<Connection>>,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A stream on its way from one runtime to another.
#[derive(Debug)]
pub struct Parked {
    io: ParkedIo,
    tls: Option<Box<Connection>>,
}

#[derive(Debug)]
enum ParkedIo {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    /// Wraps a TCP stream of this runtime. Nagle's algorithm is switched off.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            io: Io::Tcp(stream),
            tls: None,
        })
    }

    /// Wraps a Unix stream of this runtime.
    pub fn unix(stream: UnixStream) -> Self {
        Self {
            io: Io::Unix(stream),
            tls: None,
        }
    }

    /// Sets TCP keep-alive and its like; a Unix stream has none.
    pub fn set_keepalive(&self, keepalive: &Keepalive) -> io::Result<()> {
        let Io::Tcp(stream) = &self.io else {
            return Ok(());
        };
        let socket = SockRef::from(stream);
        if let Some(limit) = keepalive.user_timeout.limit() {
            socket.set_tcp_user_timeout(Some(limit))?;
        }
        let Some(idle) = keepalive.idle.limit() else {
            return Ok(());
        };
        let settings = TcpKeepalive::new()
            .with_time(idle)
            .with_interval(keepalive.interval.duration().max(Duration::from_secs(1)))
            .with_retries(keepalive.count.max(1));
        socket.set_tcp_keepalive(&settings)
    }

    /// Takes the stream off this runtime.
    pub fn park(self) -> io::Result<Parked> {
        let io = match self.io {
            Io::Tcp(stream) => ParkedIo::Tcp(stream.into_std()?),
            Io::Unix(stream) => ParkedIo::Unix(stream.into_std()?),
        };
        Ok(Parked { io, tls: self.tls })
    }

    /// Reads what is there. `Ok(0)` is the end of the stream.
    ///
    /// A read shorter than `buffer` clears the socket's readiness, so the next call costs no system call.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => self.io.poll_read(cx, buffer),
            Some(tls) => poll_read_tls(tls, &mut self.io, cx, buffer),
        }
    }

    /// Writes some of `bytes`; returns how many were taken. With TLS, taken bytes may wait for [`Self::poll_flush`].
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => self.io.poll_write(cx, bytes),
            Some(tls) => {
                ready!(poll_flush_tls(tls, &mut self.io, cx))?;
                let taken = tls.writer().write(bytes)?;
                if let Poll::Ready(Err(error)) = poll_flush_tls(tls, &mut self.io, cx) {
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(taken))
            }
        }
    }

    /// Writes out what TLS holds back; ready at once without TLS.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            None => Poll::Ready(Ok(())),
            Some(tls) => poll_flush_tls(tls, &mut self.io, cx),
        }
    }

    /// Says that no more bytes will be written (half-close); with TLS, after a close alert.
    pub fn shutdown_write(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = poll_flush_tls(tls, &mut self.io, &mut cx);
        }
        let _ = match &self.io {
            Io::Tcp(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Write),
            Io::Unix(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Write),
        };
    }

    /// Appends what can be read, at most `most` bytes; returns how many, 0 at the end of the stream. Dropped before it is
    /// ready, it has read nothing.
    pub async fn read_some(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            let start = into.len();
            into.resize(start + most, 0);
            let read = self.poll_read(cx, &mut into[start..]);
            let taken = match &read {
                Poll::Ready(Ok(taken)) => *taken,
                _ => 0,
            };
            into.truncate(start + taken);
            read
        })
        .await
    }

    /// Writes all of `bytes`.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while at < bytes.len() {
            match std::future::poll_fn(|cx| self.poll_write(cx, &bytes[at..])).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                taken => at += taken,
            }
        }
        std::future::poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// The TLS session, once a handshake is done.
    pub fn tls(&self) -> Option<&Connection> {
        self.tls.as_deref()
    }

    /// The accepting side of a TLS handshake. `early` is what was already read of the client's first flight.
    pub(crate) async fn handshake_server(&mut self, session: ServerConnection, early: &[u8]) -> Result<(), NetError> {
        let mut session = Connection::from(session);
        let mut rest = early;
        while !rest.is_empty() {
            session.read_tls(&mut rest)?;
            if let Err(error) = session.process_new_packets() {
                return Err(self.give_up(session, &error).await);
            }
        }
        self.handshake(session).await
    }

    /// The connecting side of a TLS handshake.
    pub(crate) async fn handshake_client(&mut self, session: ClientConnection) -> Result<(), NetError> {
        self.handshake(Connection::from(session)).await
    }

    async fn handshake(&mut self, mut session: Connection) -> Result<(), NetError> {
        session.set_buffer_limit(Some(TLS_WRITE_LIMIT));
        while session.is_handshaking() {
            if session.wants_write() {
                std::future::poll_fn(|cx| poll_flush_tls(&mut session, &mut self.io, cx)).await?;
                continue;
            }
            let read = std::future::poll_fn(|cx| poll_fill_tls(&mut session, &mut self.io, cx)).await?;
            if read == 0 {
                return Err(NetError::Handshake("the peer closed the connection".to_owned()));
            }
            if let Err(error) = session.process_new_packets() {
                return Err(self.give_up(session, &error).await);
            }
        }
        std::future::poll_fn(|cx| poll_flush_tls(&mut session, &mut self.io, cx)).await?;
        self.tls = Some(Box::new(session));
        Ok(())
    }

    /// Sends the alert that says why, as far as the peer still listens.
    async fn give_up(&mut self, mut session: Connection, error: &rustls::Error) -> NetError {
        let _ = std::future::poll_fn(|cx| poll_flush_tls(&mut session, &mut self.io, cx)).await;
        NetError::Handshake(error.to_string())
    }
}

impl Parked {
    /// Puts the stream on the current runtime.
    pub fn adopt(self) -> io::Result<Stream> {
        let io = match self.io {
            ParkedIo::Tcp(stream) => Io::Tcp(TcpStream::from_std(stream)?),
            ParkedIo::Unix(stream) => Io::Unix(UnixStream::from_std(stream)?),
        };
        Ok(Stream { io, tls: self.tls })
    }

    /// Closes the stream where it stands.
    pub fn close(self) {
        drop(match self.io {
            ParkedIo::Tcp(stream) => OwnedFd::from(stream),
            ParkedIo::Unix(stream) => OwnedFd::from(stream),
        });
    }
}

impl Io {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // AsyncRead and not try_read: only the former clears readiness after a short read, and so saves the EAGAIN read.
        let mut buffer = ReadBuf::new(buffer);
        ready!(match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // A socket takes bytes nearly always, and then no waker has to be left with it.
        let taken = match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        };
        match (taken, self) {
            (Err(error), Self::Tcp(stream)) if error.kind() == io::ErrorKind::WouldBlock => {
                Pin::new(stream).poll_write(cx, bytes)
            }
            (Err(error), Self::Unix(stream)) if error.kind() == io::ErrorKind::WouldBlock => {
                Pin::new(stream).poll_write(cx, bytes)
            }
            (taken, _) => Poll::Ready(taken),
        }
    }
}

/// Lets rustls, which reads and writes by the standard traits, use a socket that answers "not now".
struct Ready<'a, 'b> {
    io: &'a mut Io,
    cx: &'a mut Context<'b>,
}

impl Read for Ready<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.io.poll_read(self.cx, buffer) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Ready<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.io.poll_write(self.cx, bytes) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn poll_fill_tls(tls: &mut Connection, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    pending_on_would_block(tls.read_tls(&mut Ready { io, cx }))
}

fn poll_flush_tls(tls: &mut Connection, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    while tls.wants_write() {
        ready!(pending_on_would_block(tls.write_tls(&mut Ready { io, cx })))?;
    }
    Poll::Ready(Ok(()))
}

fn poll_read_tls(
    tls: &mut Connection,
    io: &mut Io,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        match tls.reader().read(buffer) {
            Ok(length) => return Poll::Ready(Ok(length)),
            // A peer that closes without a close alert: protocols above know their own last message.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        ready!(poll_fill_tls(tls, io, cx))?;
        if let Err(error) = tls.process_new_packets() {
            let _ = poll_flush_tls(tls, io, cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        // Key updates are answered at once; what does not fit goes out with the next write.
        if tls.wants_write()
            && let Poll::Ready(Err(error)) = poll_flush_tls(tls, io, cx)
        {
            return Poll::Ready(Err(error));
        }
    }
}

fn pending_on_would_block<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        other => Poll::Ready(other),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_read_that_is_given_up_has_read_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, served) = tokio::join!(TcpStream::connect(address), listener.accept());
        let mut stream = Stream::tcp(client.unwrap()).unwrap();
        let (mut served, _) = served.unwrap();
        let mut held = b"held".to_vec();
        let read = tokio::time::timeout(Duration::from_millis(10), stream.read_some(&mut held, 4096)).await;
        assert!(read.is_err(), "there is something to read");
        assert_eq!(held, b"held");
        served.write_all(b" more").await.unwrap();
        assert_eq!(stream.read_some(&mut held, 4096).await.unwrap(), 5);
        assert_eq!(held, b"held more");
    }
}
