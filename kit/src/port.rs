use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::files;

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port below the ephemeral range, reserved for this process until it is dropped.
///
/// A bind test alone is a race between test binaries that run at once, so the number is also
/// held by a file lock, which the kernel gives back however the process ends.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a free port.
    pub fn reserve() -> Self {
        let spread = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = (u32::from(spread) * 37 + u32::from(step)) % u32::from(COUNT);
            let number = FIRST + u16::try_from(offset).unwrap_or(0);
            if let Some(port) = Self::claim(number) {
                return port;
            }
        }
        panic!("no free loopback port between {FIRST} and {}", FIRST + COUNT);
    }

    /// The port number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port on the IPv4 loopback.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }

    fn claim(number: u16) -> Option<Self> {
        let path = files::shared("ports").join(number.to_string());
        let lock =
            File::create(&path).unwrap_or_else(|e| panic!("cannot create the port lock {}: {e}", path.display()));
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Error(e)) => panic!("cannot lock {}: {e}", path.display()),
        }
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_low_and_free() {
        let ports: Vec<Port> = (0..50).map(|_| Port::reserve()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
        assert!(numbers.iter().all(|n| *n < 32_768));
        let _bound = TcpListener::bind(ports[0].address()).expect("a reserved port is free");
    }

    #[test]
    fn a_reserved_port_is_not_claimed_again() {
        let port = Port::reserve();
        assert!(Port::claim(port.number()).is_none());
    }
}
