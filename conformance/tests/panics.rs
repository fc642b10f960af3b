//! A protocol that panics wherever the engine calls it: each panic ends one client or one piece of work, is counted, and
//! everybody else goes on.

use std::any::Any;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use tidegate_conformance::House;
use tidegate_engine::{
    Admitted, ClientView, CoreContext, Cores, Downstream, Protocol, Room, RoomView, SessionContext, SessionError,
};
use tidegate_kit::eventually;
use tidegate_net::Parked;
use tidegate_telemetry::Registry;

/// Where the next client's word makes it panic.
#[derive(Debug, Default)]
struct Traps {
    maintenance: AtomicBool,
    view: AtomicBool,
}

/// Does what a client's first byte says.
struct Fragile(Arc<Traps>);

struct FragileRoom(Arc<Traps>);

/// A message from a login thread to the room.
struct Message;

impl Protocol for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn admit(&self, mut downstream: Downstream) -> BoxFuture<'_, Result<Admitted, SessionError>> {
        async move {
            let mut word = Vec::new();
            let read = downstream.stream.read_some(&mut word, 1).await;
            read.map_err(|error| SessionError::downstream(&error))?;
            let word = word.first().copied().unwrap_or_default();
            let cores: &Cores = &downstream.cores;
            match word {
                b'l' => panic!("in the login"),
                b'd' => cores.deliver(0, 0, Box::new(Message)).await,
                b'm' => self.0.maintenance.store(true, Ordering::Relaxed),
                b'v' => self.0.view.store(true, Ordering::Relaxed),
                _ => {}
            }
            let stream = downstream.stream.park();
            let stream = stream.map_err(|error| SessionError::downstream(&error))?;
            let client: Box<dyn Any + Send> = Box::new((word, stream));
            Ok(Admitted::Client { home: 0, client })
        }
        .boxed()
    }

    fn room(&self, _: CoreContext) -> Rc<dyn Room> {
        Rc::new(FragileRoom(Arc::clone(&self.0)))
    }
}

impl Room for FragileRoom {
    fn serve(
        self: Rc<Self>,
        client: Box<dyn Any + Send>,
        context: SessionContext,
    ) -> LocalBoxFuture<'static, Result<(), SessionError>> {
        let client = client.downcast::<(u8, Parked)>().expect("what admit made");
        let (word, stream) = *client;
        assert!(word != b's', "when the session begins");
        async move {
            let _place = context.slot;
            let wrong = |error| SessionError::downstream(&error);
            let mut stream = stream.adopt().map_err(wrong)?;
            let mut said = Vec::new();
            while stream.read_some(&mut said, 64).await.map_err(wrong)? > 0 {
                assert!(word != b'p', "in the session");
                stream.write_all(&said).await.map_err(wrong)?;
                said.clear();
            }
            Ok(())
        }
        .boxed_local()
    }

    fn deliver(self: Rc<Self>, _: Box<dyn Any + Send>) {
        panic!("at a message");
    }

    fn maintain(self: Rc<Self>, _: Instant) {
        assert!(!self.0.maintenance.swap(false, Ordering::Relaxed), "at what is due");
    }

    fn view(&self, _: Instant) -> RoomView {
        assert!(!self.0.view.swap(false, Ordering::Relaxed), "at a look");
        RoomView::default()
    }
}

fn connect(address: SocketAddr, word: u8) -> TcpStream {
    let mut client = TcpStream::connect(address).expect("connect");
    let limit = client.set_read_timeout(Some(Duration::from_secs(5)));
    limit.and_then(|()| client.write_all(&[word])).expect("write");
    client
}

#[track_caller]
fn check_served(client: &mut TcpStream) {
    client.write_all(b"echo").expect("write");
    let mut said = [0; 4];
    client.read_exact(&mut said).expect("an answer");
    assert_eq!(&said, b"echo");
}

#[track_caller]
fn check_closed(client: &mut TcpStream) {
    let _gone = client.write_all(b"x");
    let end = client.read(&mut [0]);
    assert!(matches!(end, Ok(0)) || end.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
}

/// The value of a metric's only sample.
fn metric(registry: &Registry, start: &str) -> Option<u64> {
    let text = registry.render();
    let line = text.lines().find(|line| line.starts_with(start))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn a_panic_ends_one_client_and_no_more() {
    let registry = Arc::new(Registry::new());
    let house = House::start(Arc::new(Fragile(Arc::default())), Arc::clone(&registry));
    let panics = || metric(&registry, "tidegate_session_panics_total").unwrap_or(0);
    let mut bystander = connect(house.address(), b'e');
    check_served(&mut bystander);

    check_closed(&mut connect(house.address(), b'l'));
    let in_login = r#"tidegate_logins_failed_total{listener="main",kind="panic"}"#;
    eventually("the login's panic is counted", || {
        metric(&registry, in_login) == Some(1)
    });
    check_served(&mut bystander);

    for (number, word) in [(1, b's'), (2, b'p')] {
        check_closed(&mut connect(house.address(), word));
        eventually("the panic is counted", || panics() == number);
        check_served(&mut bystander);
    }
    for (number, word) in [(3, b'd'), (4, b'm')] {
        let mut client = connect(house.address(), word);
        eventually("the panic is counted", || panics() == number);
        check_served(&mut client);
        check_served(&mut bystander);
    }
    let mut client = connect(house.address(), b'v');
    check_served(&mut client);
    assert_eq!(house.clients(), Vec::<ClientView>::new());
    assert_eq!(panics(), 5);
    check_served(&mut client);
    check_served(&mut bystander);
    drop((client, bystander));
    eventually("nobody is counted as there", || {
        metric(&registry, "tidegate_sessions") == Some(0)
    });
    assert!(house.drain(Duration::from_secs(5)), "a panic left a session behind");
}
