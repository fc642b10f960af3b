use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tidegate_base::{Address, Reason, Refusal};
use tidegate_kit::{Resp, RespClient};
use tidegate_limit::Backoff;
use tidegate_net::Stream;
use tidegate_redis_wire::reply::{Redirect, Version};
use tidegate_redis_wire::request;
use tidegate_redis_wire::slot::Slot;
use tidegate_redis_wire::table::Channels;
use tokio::net::TcpStream;

use crate::hub::{Hub, HubRules, HubSeat, Opener, Spot};

/// Dials directly. Of a cluster it knows what its nodes say, as of the last look.
#[derive(Clone)]
pub(super) struct Dialler {
    pub(super) seeds: Vec<SocketAddr>,
    pub(super) user: Option<(&'static str, &'static str)>,
    /// Who has which slot.
    pub(super) owners: Rc<RefCell<HashMap<u16, SocketAddr>>>,
    /// How often it was told that something has moved.
    pub(super) moves: Rc<Cell<usize>>,
}

impl Dialler {
    pub(super) fn new(seeds: Vec<SocketAddr>, is_cluster: bool) -> Self {
        let dialler = Self {
            seeds,
            user: None,
            owners: Rc::default(),
            moves: Rc::default(),
        };
        if is_cluster {
            dialler.look();
        }
        dialler
    }

    /// Looks at the layout, wherever somebody has one.
    pub(super) fn look(&self) {
        let slots = self.seeds.iter().find_map(|seed| {
            let mut client = RespClient::try_connect(*seed).ok()?;
            client.command(&["CLUSTER", "SLOTS"]);
            client.try_reply().ok().filter(|slots| !slots.items().is_empty())
        });
        let mut owners = self.owners.borrow_mut();
        for range in slots.iter().flat_map(Resp::items) {
            let number = |at: usize| range.items()[at].text().parse::<u16>().unwrap();
            let port = range.items()[2].items()[1].text().parse().unwrap();
            let owner = SocketAddr::from(([127, 0, 0, 1], port));
            owners.extend((number(0)..=number(1)).map(|slot| (slot, owner)));
        }
    }
}

fn node(address: SocketAddr) -> Spot {
    Spot::Node(Address::Tcp {
        host: address.ip().to_string(),
        port: address.port(),
    })
}

impl Opener for Dialler {
    fn open(&self, at: &Spot) -> LocalBoxFuture<'static, Result<Stream, Refusal>> {
        let targets = match at {
            Spot::Any => self.seeds.clone(),
            Spot::Node(address) => vec![address.to_string().parse().unwrap()],
        };
        let user = self.user;
        async move {
            for target in targets {
                let dialled = tokio::time::timeout(Duration::from_secs(1), dial(target, user)).await;
                if let Ok(Ok(stream)) = dialled {
                    return Ok(stream);
                }
            }
            Err(Refusal::new(Reason::Unavailable, "nobody is there"))
        }
        .boxed_local()
    }

    fn knows(&self, _: &Spot) -> bool {
        true
    }

    fn spot_of(&self, channel: &[u8]) -> Spot {
        let owners = self.owners.borrow();
        owners
            .get(&Slot::of(channel).number())
            .map_or(Spot::Any, |owner| node(*owner))
    }

    fn primaries(&self) -> Vec<Spot> {
        let mut owners: Vec<_> = self.owners.borrow().values().copied().collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().map(node).collect()
    }

    fn moved(&self, _: &Spot, to: &Redirect<'_>) -> Spot {
        self.moves.set(self.moves.get() + 1);
        let owner = SocketAddr::from(([127, 0, 0, 1], to.port));
        self.owners.borrow_mut().insert(to.slot.number(), owner);
        node(owner)
    }
}

async fn dial(target: SocketAddr, user: Option<(&str, &str)>) -> std::io::Result<Stream> {
    let mut stream = Stream::tcp(TcpStream::connect(target).await?)?;
    let mut out = Vec::new();
    match user {
        Some((user, password)) => request::command(&mut out, &["HELLO", "3", "AUTH", user, password]),
        None => request::command(&mut out, &["HELLO", "3"]),
    }
    stream.write_all(&out).await?;
    let mut held = Vec::new();
    while Resp::parse(&held).is_err() {
        if stream.read_some(&mut held, 4096).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(stream)
}

/// As the rules are, but in a hurry.
pub(super) fn rules() -> HubRules {
    HubRules {
        beat: Duration::from_millis(50),
        patience: Duration::from_millis(500),
        backoff: Backoff {
            first: Duration::from_millis(10),
            multiplier: 2.0,
            cap: Some(Duration::from_millis(100)),
        },
        linger: Duration::from_millis(200),
        ..HubRules::default()
    }
}

pub(super) fn hub(rules: HubRules, dialler: &Dialler) -> Rc<Hub> {
    Hub::new(Arc::from("test"), rules, Box::new(dialler.clone()))
}

/// Runs a test on a core's runtime.
pub(super) fn on_core(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// Lets the core work until something is so.
#[track_caller]
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while !condition() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "not within 60 s: {what} ({caller})"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A client at the hub: what a session would write to it.
pub(super) struct Ear {
    pub(super) seat: HubSeat,
    pub(super) got: Vec<u8>,
    spare: Vec<u8>,
}

impl Ear {
    pub(super) fn new(hub: &Rc<Hub>, version: Version) -> Self {
        Self {
            seat: hub.join(version),
            got: Vec::new(),
            spare: Vec::new(),
        }
    }

    pub(super) fn drain(&mut self) -> &[u8] {
        self.seat.set_waker(&Context::from_waker(Waker::noop()));
        if self.seat.has_mail() {
            let mut mail = self.seat.take(std::mem::take(&mut self.spare));
            self.got.append(&mut mail);
            self.spare = mail;
        }
        &self.got
    }

    /// Asks, and waits for the answers, as a session does; what has come since the last time.
    pub(super) async fn ask(&mut self, words: &[String]) -> Vec<u8> {
        let (on, kind) = match words[0].as_str() {
            "SUBSCRIBE" => (true, Channels::Named),
            "PSUBSCRIBE" => (true, Channels::Pattern),
            "SSUBSCRIBE" => (true, Channels::Shard),
            "UNSUBSCRIBE" => (false, Channels::Named),
            "PUNSUBSCRIBE" => (false, Channels::Pattern),
            "SUNSUBSCRIBE" => (false, Channels::Shard),
            other => panic!("{other}"),
        };
        let names = words[1..].iter().map(String::as_bytes);
        if on {
            self.seat.listen(kind, names);
            until("the answer is there", || !self.seat.owes()).await;
        } else {
            self.seat.leave(kind, names);
            assert!(!self.seat.owes());
        }
        self.news()
    }

    pub(super) async fn say(&mut self, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        String::from_utf8(self.ask(&words).await).unwrap()
    }

    /// What has come since the last time.
    pub(super) fn news(&mut self) -> Vec<u8> {
        self.drain();
        std::mem::take(&mut self.got)
    }

    /// Waits until so many messages with this text have come, and takes everything.
    pub(super) async fn hear(&mut self, text: &str, times: usize) -> String {
        until(text, || {
            let got = String::from_utf8_lossy(self.drain()).into_owned();
            got.matches(text).count() >= times
        })
        .await;
        String::from_utf8(self.news()).unwrap()
    }
}

/// A message as a server sends it to a client of RESP2.
pub(super) fn message(words: &[&str]) -> String {
    String::from_utf8(RespClient::encode(words)).unwrap()
}

/// A confirmation.
pub(super) fn confirmed(verb: &str, name: &str, count: usize) -> String {
    let (verb_length, length) = (verb.len(), name.len());
    format!("*3\r\n${verb_length}\r\n{verb}\r\n${length}\r\n{name}\r\n:{count}\r\n")
}
