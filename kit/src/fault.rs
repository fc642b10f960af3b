use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use crate::{Port, wait_until};

/// How often a relay thread looks at the faults while nothing arrives.
const TICK: Duration = Duration::from_millis(10);

/// What goes wrong in one direction; the default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every chunk is held back this long.
    pub latency: Duration,
    /// The connection ends after this many bytes of one direction.
    pub cut_after: Option<u64>,
    /// A cut is a reset (RST) instead of an orderly close.
    pub reset: bool,
    /// Nothing is read any more, and nothing is closed: the peer of a vanished host.
    pub half_open: bool,
    /// Bytes per second.
    pub bandwidth: Option<u64>,
}

/// A direction through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// A TCP relay on loopback that misbehaves on demand. Faults act on live connections too.
#[derive(Debug)]
pub struct FaultProxy {
    port: Port,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    faults: Mutex<[Faults; 2]>,
    links: Mutex<Vec<Arc<Link>>>,
    accepted: AtomicU64,
    closing: AtomicBool,
}

#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    half_closed: AtomicBool,
    over: AtomicBool,
}

impl FaultProxy {
    /// A relay to `upstream`, without faults.
    pub fn start(upstream: SocketAddr) -> Self {
        let port = Port::reserve();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()));
        let listener = listener.unwrap_or_else(|e| panic!("the fault proxy cannot listen: {e}"));
        let shared = Arc::new(Shared {
            upstream,
            faults: Mutex::default(),
            links: Mutex::default(),
            accepted: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let acceptor = thread::spawn(move || own.accept(&listener));
        Self {
            port,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Sets the faults of one direction.
    pub fn set(&self, direction: Direction, faults: Faults) {
        locked(&self.shared.faults)[direction as usize] = faults;
    }

    /// Sets the faults of both directions.
    pub fn set_both(&self, faults: Faults) {
        *locked(&self.shared.faults) = [faults; 2];
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        let mut links = locked(&self.shared.links);
        links.retain(|link| !link.over.load(Ordering::Relaxed));
        links.len()
    }

    /// Ends every open connection in order.
    pub fn close_all(&self) {
        self.end_all(false);
    }

    /// Ends every open connection with a reset.
    pub fn reset_all(&self) {
        self.end_all(true);
    }

    fn end_all(&self, reset: bool) {
        let links: Vec<_> = locked(&self.shared.links).drain(..).collect();
        for link in &links {
            link.end(reset);
        }
        // A reset is sent when the last one lets go of the socket.
        for link in links {
            wait_until(Duration::from_secs(2), || Arc::strong_count(&link) == 1);
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Wakes the accept call.
        let _woken = TcpStream::connect(self.address());
        if let Some(acceptor) = self.acceptor.take() {
            let _ended = acceptor.join();
        }
        self.close_all();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.closing.load(Ordering::Relaxed) {
                return;
            }
            let Ok(client) = client else { continue };
            self.accepted.fetch_add(1, Ordering::Relaxed);
            // A refused upstream is a closed client.
            let Ok(server) = TcpStream::connect(self.upstream) else {
                continue;
            };
            for socket in [&client, &server] {
                let _best_effort = socket.set_nodelay(true);
                let _best_effort = socket.set_read_timeout(Some(TICK));
            }
            let link = Arc::new(Link {
                client,
                server,
                half_closed: AtomicBool::new(false),
                over: AtomicBool::new(false),
            });
            locked(&self.links).push(Arc::clone(&link));
            for direction in [Direction::ToServer, Direction::ToClient] {
                let (shared, link) = (Arc::clone(self), Arc::clone(&link));
                thread::spawn(move || shared.relay(&link, direction));
            }
        }
    }

    fn relay(&self, link: &Link, direction: Direction) {
        let (mut from, mut to) = match direction {
            Direction::ToServer => (&link.client, &link.server),
            Direction::ToClient => (&link.server, &link.client),
        };
        let mut buffer = vec![0; 16 * 1024];
        let mut passed = 0_u64;
        while !link.over.load(Ordering::Relaxed) {
            let faults = locked(&self.faults)[direction as usize];
            if faults.half_open {
                thread::sleep(TICK);
                continue;
            }
            let length = match from.read(&mut buffer) {
                Ok(0) => {
                    // A half-close travels on; the other direction may still have something to say.
                    let _gone = to.shutdown(Shutdown::Write);
                    if link.half_closed.swap(true, Ordering::Relaxed) {
                        link.end(false);
                    }
                    return;
                }
                Ok(length) => length,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    continue;
                }
                Err(_) => return link.end(true),
            };
            // What arrived while the fault was being set obeys the fault.
            let mut faults = locked(&self.faults)[direction as usize];
            while faults.half_open && !link.over.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                faults = locked(&self.faults)[direction as usize];
            }
            thread::sleep(faults.latency + pause(length, faults.bandwidth));
            let room = faults.cut_after.map_or(u64::MAX, |cut| cut.saturating_sub(passed));
            let allowed = usize::try_from(room).unwrap_or(usize::MAX).min(length);
            let written = to.write_all(buffer.get(..allowed).unwrap_or_default());
            passed = passed.saturating_add(allowed as u64);
            if written.is_err() || faults.cut_after.is_some_and(|cut| passed >= cut) {
                return link.end(faults.reset || written.is_err());
            }
        }
    }
}

impl Link {
    fn end(&self, reset: bool) {
        if self.over.swap(true, Ordering::Relaxed) {
            return;
        }
        for socket in [&self.client, &self.server] {
            if reset {
                // With no linger the last close sends RST; the relay threads let go within a tick.
                let _best_effort = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            } else {
                let _gone = socket.shutdown(Shutdown::Both);
            }
        }
    }
}

fn pause(length: usize, bandwidth: Option<u64>) -> Duration {
    let Some(bandwidth) = bandwidth else {
        return Duration::ZERO;
    };
    Duration::from_nanos((length as u64).saturating_mul(1_000_000_000) / bandwidth.max(1))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let address = listener.local_addr().expect("address");
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (mut from, mut to) = (&socket, &socket);
                    let _end = std::io::copy(&mut from, &mut to);
                    let _end = socket.shutdown(Shutdown::Write);
                });
            }
        });
        address
    }

    fn connect(proxy: &FaultProxy) -> TcpStream {
        let socket = TcpStream::connect(proxy.address()).expect("connect");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
        socket
    }

    #[test]
    fn relays_and_passes_a_half_close_on() {
        let proxy = FaultProxy::start(echo());
        let mut socket = connect(&proxy);
        socket.write_all(b"hello").expect("write");
        socket.shutdown(Shutdown::Write).expect("shutdown");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("read");
        assert_eq!(text, "hello");
        assert_eq!(proxy.accepted(), 1);
        crate::eventually("the link is over", || proxy.open() == 0);
    }

    #[test]
    fn delays() {
        let proxy = FaultProxy::start(echo());
        let latency = Duration::from_millis(60);
        proxy.set_both(Faults {
            latency,
            ..Faults::default()
        });
        let mut socket = connect(&proxy);
        let start = Instant::now();
        socket.write_all(b"x").expect("write");
        socket.read_exact(&mut [0]).expect("read");
        assert!(start.elapsed() >= 2 * latency);
    }

    #[test]
    fn cuts_after_so_many_bytes() {
        let proxy = FaultProxy::start(echo());
        let cut_after = Some(3);
        proxy.set(
            Direction::ToClient,
            Faults {
                cut_after,
                ..Faults::default()
            },
        );
        let mut socket = connect(&proxy);
        socket.write_all(b"hello").expect("write");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("an orderly end");
        assert_eq!(text, "hel");
    }

    #[test]
    fn resets() {
        let proxy = FaultProxy::start(echo());
        let mut socket = connect(&proxy);
        socket.write_all(b"x").expect("write");
        socket.read_exact(&mut [0]).expect("read");
        proxy.reset_all();
        let error = socket.read(&mut [0]).expect_err("a reset, not an end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn goes_silent_and_comes_back() {
        let proxy = FaultProxy::start(echo());
        let mut socket = connect(&proxy);
        proxy.set_both(Faults {
            half_open: true,
            ..Faults::default()
        });
        socket.write_all(b"x").expect("write");
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("timeout");
        assert!(socket.read(&mut [0]).is_err(), "nothing may come back");
        proxy.set_both(Faults::default());
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
        socket.read_exact(&mut [0]).expect("the byte comes back");
    }

    #[test]
    fn limits_bandwidth() {
        let proxy = FaultProxy::start(echo());
        let bandwidth = Some(100_000);
        proxy.set(
            Direction::ToServer,
            Faults {
                bandwidth,
                ..Faults::default()
            },
        );
        let mut socket = connect(&proxy);
        let start = Instant::now();
        socket.write_all(&vec![0; 20_000]).expect("write");
        socket.read_exact(&mut vec![0; 20_000]).expect("read");
        assert!(start.elapsed() >= Duration::from_millis(190));
    }
}
