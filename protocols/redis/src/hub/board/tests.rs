//! The board before model servers: a script of what clients and servers do, in any order.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::rc::Rc;

use proptest::prelude::*;
use tidegate_redis_wire::reply::Code;
use tidegate_redis_wire::table::Channels;

use super::{Ask, Board, EarId, LinkId, Telling};
use crate::hub::dues::{Change, Dues};
use crate::hub::topic::{is_event, is_wide};

const KINDS: [Channels; 3] = [Channels::Named, Channels::Pattern, Channels::Shard];
/// The last is one that no server lets anybody subscribe to.
const NAMES: [&[&str]; 3] = [
    &["a", "ab", "__keyspace@0__:k", "denied"],
    &["a*", "ab*", "__key*", "denied*"],
    &["s", "t", "denied"],
];
const CHANNELS: [&str; 5] = ["a", "ab", "b", "__keyfoo", "__keyspace@0__:k"];

type Topic = (usize, &'static str);

#[derive(Debug, Clone)]
enum Act {
    Enter,
    Goodbye(usize),
    Listen(usize, usize, Vec<usize>),
    Leave(usize, usize, Vec<usize>),
    /// A server does the next of what it was asked, or cannot at the moment.
    Serve(usize, bool),
    /// The next of what a server said arrives.
    Hear(usize),
    Publish(usize, usize),
    PublishShard(usize),
    Lose(usize),
    Connect(usize),
    Move(usize, usize),
    Again(usize),
    /// The layout is looked at.
    Look,
}

#[derive(Debug)]
enum Word {
    Pong,
    Changed(Topic, bool),
    Failed {
        is_passing: bool,
    },
    /// PING is not allowed.
    NoPing,
    Message {
        topic: Topic,
        channel: &'static str,
        number: usize,
    },
}

#[derive(Debug, Default)]
struct Server {
    is_up: bool,
    asked: VecDeque<Ask>,
    said: VecDeque<Word>,
    subscribed: BTreeSet<Topic>,
    /// What the gateway expects.
    dues: Dues,
}

#[derive(Debug, Default)]
struct Listener {
    topics: BTreeSet<Topic>,
    request: Option<Vec<Topic>>,
}

#[derive(Debug)]
struct World {
    board: Board,
    servers: Vec<Server>,
    owners: BTreeMap<&'static str, LinkId>,
    listeners: BTreeMap<EarId, Listener>,
    delivered: HashSet<(EarId, Topic, usize)>,
    published: usize,
    /// Who listened without a break since a message was published.
    due: BTreeMap<usize, BTreeSet<EarId>>,
    /// No connection was lost, nothing has moved and nothing failed for a while.
    is_calm: bool,
    /// A connection was lost, or a server did not do what it could.
    has_failed: bool,
}

impl World {
    fn new() -> Self {
        let mut board = Board::default();
        let servers = (0..3).map(|number| {
            assert_eq!(board.add_link(), number);
            board.connected(number);
            Server {
                is_up: true,
                ..Server::default()
            }
        });
        let servers = servers.collect();
        Self {
            board,
            servers,
            owners: [("s", 1), ("t", 2), ("denied", 1)].into(),
            listeners: BTreeMap::new(),
            delivered: HashSet::new(),
            published: 0,
            due: BTreeMap::new(),
            is_calm: true,
            has_failed: false,
        }
    }

    fn targets(&self, (kind, name): Topic) -> Vec<LinkId> {
        match KINDS[kind] {
            Channels::Shard => vec![self.owners[name]],
            kind if is_wide(kind, name.as_bytes()) => vec![2, 0, 1],
            _ => vec![0],
        }
    }

    fn ear(&self, number: usize) -> Option<EarId> {
        let count = self.listeners.len();
        self.listeners.keys().nth(number % count.max(1)).copied()
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Enter => {
                let ear = self.board.enter();
                assert!(self.listeners.insert(ear, Listener::default()).is_none());
            }
            Act::Goodbye(ear) => {
                if let Some(ear) = self.ear(*ear) {
                    self.board.goodbye(ear);
                    self.listeners.remove(&ear);
                    self.due.values_mut().for_each(|due| due.retain(|other| *other != ear));
                    self.delivered.retain(|(listener, ..)| *listener != ear);
                }
            }
            Act::Listen(ear, kind, names) => self.listen(*ear, *kind, names),
            Act::Leave(ear, kind, names) => self.leave(*ear, *kind, names),
            Act::Serve(link, fails) => self.serve(*link, *fails),
            Act::Hear(link) => self.hear(*link),
            Act::Publish(at, channel) => self.publish(*at, CHANNELS[*channel]),
            Act::PublishShard(name) => self.publish_shard(NAMES[2][*name]),
            Act::Lose(link) => self.lose(*link),
            Act::Connect(link) if !self.servers[*link].is_up => {
                self.servers[*link].is_up = true;
                self.board.connected(*link);
            }
            Act::Connect(_) => {}
            Act::Move(name, to) => self.transfer(NAMES[2][*name], *to),
            Act::Again(link) => self.board.again(*link),
            Act::Look => {
                for (kind, name) in self.board.placed(false) {
                    let kind_number = KINDS.iter().position(|known| *known == kind).unwrap();
                    let targets = self.targets(topic(kind_number, &name));
                    self.board.doubt(kind, &name, &targets, |_| true);
                }
            }
        }
        self.pass_on();
    }

    fn listen(&mut self, ear: usize, kind: usize, names: &[usize]) {
        let Some(ear) = self.ear(ear).filter(|ear| !self.board.owes(*ear)) else {
            return;
        };
        let topics: Vec<Topic> = names
            .iter()
            .map(|name| (kind, NAMES[kind][name % NAMES[kind].len()]))
            .collect();
        let placed = topics.iter().map(|topic| (topic.1.as_bytes(), self.targets(*topic)));
        let placed: Vec<_> = placed.collect();
        self.listeners.get_mut(&ear).unwrap().request = Some(topics);
        self.board.listen(ear, KINDS[kind], placed);
    }

    fn leave(&mut self, ear: usize, kind: usize, names: &[usize]) {
        let Some(ear) = self.ear(ear).filter(|ear| !self.board.owes(*ear)) else {
            return;
        };
        if kind == 2 {
            self.due.values_mut().for_each(|due| due.retain(|other| *other != ear));
        }
        assert!(self.board.take_tellings().is_empty());
        let of_kind = |topics: &BTreeSet<Topic>| topics.iter().filter(|topic| topic.0 == kind).count();
        let expected = if names.is_empty() {
            self.board.leave_all(ear, KINDS[kind]);
            of_kind(&self.listeners[&ear].topics).max(1)
        } else {
            let names = names
                .iter()
                .map(|name| NAMES[kind][name % NAMES[kind].len()].as_bytes());
            self.board.leave(ear, KINDS[kind], names.clone());
            names.len()
        };
        let tellings = self.board.take_tellings();
        assert_eq!(tellings.len(), expected, "each is answered at once");
        for (told, telling) in tellings {
            assert_eq!(told, ear);
            let Telling::Confirmed {
                kind: said,
                on: false,
                name,
                count,
            } = telling
            else {
                panic!("{telling:?}")
            };
            assert_eq!(said, KINDS[kind]);
            let listener = self.listeners.get_mut(&ear).unwrap();
            match &name {
                Some(name) => drop(listener.topics.remove(&topic(kind, name))),
                None => assert_eq!((of_kind(&listener.topics), names.len()), (0, 0)),
            }
            assert_eq!(count, listener.count(kind));
        }
        assert!(!names.is_empty() || of_kind(&self.listeners[&ear].topics) == 0);
    }

    /// Gives the servers what they are asked, and checks what listeners are told.
    fn pass_on(&mut self) {
        for ask in self.board.take_asks() {
            let server = &mut self.servers[ask.link];
            assert!(server.is_up, "asked where nobody is");
            assert_eq!(server.dues.about(ask.kind, &ask.name), 0, "two commands about {ask:?}");
            server.dues.ask(ask.clone(), &mut Vec::new());
            server.asked.push_back(ask);
        }
        let mut tellings: VecDeque<_> = self.board.take_tellings().into();
        while let Some((ear, telling)) = tellings.pop_front() {
            let listener = self.listeners.get_mut(&ear).unwrap();
            let request = listener.request.take().expect("nobody is told what was not asked");
            if let Telling::Refused(text) = telling {
                let why = String::from_utf8_lossy(&text).into_owned();
                let is_denied = request.iter().any(|topic| topic.1.starts_with("denied"));
                assert!(
                    if why == "NOPERM" { is_denied } else { !self.is_calm },
                    "refused: {why}"
                );
                continue;
            }
            let mut next = Some(telling);
            for topic in request {
                let Some(Telling::Confirmed {
                    kind,
                    on: true,
                    name: Some(name),
                    count,
                }) = next
                else {
                    panic!("{next:?} in place of {topic:?}")
                };
                assert_eq!((kind, &*name), (KINDS[topic.0], topic.1.as_bytes()));
                listener.topics.insert(topic);
                assert_eq!(count, listener.count(topic.0));
                let is_mine = |(told, _): &(EarId, Telling)| *told == ear;
                next = tellings
                    .front()
                    .is_some_and(is_mine)
                    .then(|| tellings.pop_front().unwrap().1);
            }
            assert_eq!(next, None);
        }
        for (ear, listener) in &self.listeners {
            assert_eq!(self.board.owes(*ear), listener.request.is_some());
            assert_eq!(self.board.count(*ear), listener.topics.len());
        }
    }

    fn serve(&mut self, link: usize, fails: bool) {
        let server = &mut self.servers[link];
        let Some(ask) = server.asked.pop_front() else { return };
        let topic = topic(KINDS.iter().position(|kind| *kind == ask.kind).unwrap(), &ask.name);
        let is_elsewhere = ask.kind == Channels::Shard && self.owners[topic.1] != link;
        self.is_calm &= !fails;
        self.has_failed |= fails;
        let is_denied = ask.on && topic.1.starts_with("denied");
        if is_elsewhere || is_denied || fails && ask.on {
            server.said.push_back(Word::Failed {
                is_passing: is_elsewhere || !is_denied,
            });
        } else if ask.on {
            let is_new = server.subscribed.insert(topic);
            assert!(is_new || ask.kind == Channels::Shard, "{topic:?} twice");
            server.said.push_back(Word::Changed(topic, true));
        } else {
            server.subscribed.remove(&topic);
            server.said.push_back(Word::Changed(topic, false));
        }
        if ask.kind == Channels::Shard && !ask.on {
            let may_ping = link != 2;
            server.said.push_back(if may_ping { Word::Pong } else { Word::NoPing });
        }
    }

    fn hear(&mut self, link: usize) {
        let Some(word) = self.servers[link].said.pop_front() else {
            return;
        };
        match word {
            Word::Changed(topic, on) => {
                let (kind, name) = (KINDS[topic.0], topic.1.as_bytes());
                match self.servers[link].dues.changed(kind, on, name) {
                    Change::Asked => self.board.confirmed(link, kind, name, on),
                    Change::Fenced => {}
                    Change::Unasked => {
                        assert!(!on, "a server does not subscribe by itself");
                        if self.board.revoked(link, kind, name) {
                            self.board.place(kind, name, &self.targets(topic));
                        }
                    }
                }
            }
            Word::Pong => {
                let ask = self.servers[link].dues.ponged().unwrap().unwrap();
                self.board.confirmed(link, ask.kind, &ask.name, false);
            }
            Word::NoPing => {
                let ask = self.servers[link].dues.failed(Code::NoPerm).unwrap().unwrap();
                assert_eq!(self.board.declined(&ask, b"NOPERM", false), None);
            }
            Word::Failed { is_passing } => {
                let code = if is_passing { Code::ClusterDown } else { Code::NoPerm };
                let Some(ask) = self.servers[link].dues.failed(code).unwrap() else {
                    return;
                };
                let text = if is_passing { "CLUSTERDOWN" } else { "NOPERM" };
                let refused = self.board.declined(&ask, text.as_bytes(), is_passing);
                if refused.is_some_and(|times| times > 0) && ask.kind == Channels::Shard {
                    let topic = topic(2, &ask.name);
                    self.board.place(ask.kind, &ask.name, &self.targets(topic));
                }
            }
            Word::Message { topic, channel, number } => self.deliver(link, topic, channel, number),
        }
    }

    fn deliver(&mut self, link: LinkId, topic: Topic, channel: &'static str, number: usize) {
        let (kind, name) = (KINDS[topic.0], topic.1.as_bytes());
        let hearing: Vec<EarId> = self.board.audience(link, kind, name, channel.as_bytes()).to_vec();
        let members = self
            .listeners
            .iter()
            .filter(|(_, listener)| listener.topics.contains(&topic));
        let members: BTreeSet<EarId> = members.map(|(ear, _)| *ear).collect();
        let targets = self.targets(topic);
        // A slot that moves takes nothing away from who listened when it was said.
        if kind == Channels::Shard && !self.has_failed {
            let due = self.due.get(&number).into_iter().flatten();
            assert!(
                due.filter(|ear| members.contains(ear)).all(|ear| hearing.contains(ear)),
                "{topic:?}"
            );
        }
        // Where a message comes from each of several servers, one of them is listened to. While slots move, one may
        // come that is older than the subscription, from where the slot was and is again: that is for nobody.
        let speaks = is_event(channel.as_bytes()) && targets.contains(&link) || targets.first() == Some(&link);
        if speaks && (kind != Channels::Shard || self.is_calm) {
            assert_eq!(
                hearing.iter().copied().collect::<BTreeSet<_>>(),
                members,
                "{topic:?} {channel}"
            );
        }
        for ear in hearing {
            assert!(
                members.contains(&ear),
                "{ear} is told of {topic:?}, and does not listen to it"
            );
            assert!(self.delivered.insert((ear, topic, number)), "{ear} is told twice");
        }
    }

    fn publish(&mut self, at: usize, channel: &'static str) {
        self.published += 1;
        let number = self.published;
        let is_local = is_event(channel.as_bytes());
        for (link, server) in self.servers.iter_mut().enumerate() {
            if server.is_up && (link == at || !is_local) {
                let matches = |topic: &&Topic| match topic.0 {
                    0 => topic.1 == channel,
                    1 => channel.starts_with(topic.1.trim_end_matches('*')),
                    _ => false,
                };
                let topics = server.subscribed.iter().filter(matches);
                let said = topics.map(|topic| Word::Message {
                    topic: *topic,
                    channel,
                    number,
                });
                server.said.extend(said);
            }
        }
    }

    fn publish_shard(&mut self, name: &'static str) {
        self.published += 1;
        let members = self
            .listeners
            .iter()
            .filter(|(_, listener)| listener.topics.contains(&(2, name)));
        self.due.insert(self.published, members.map(|(ear, _)| *ear).collect());
        let (number, server) = (self.published, &mut self.servers[self.owners[name]]);
        if server.is_up && server.subscribed.contains(&(2, name)) {
            let topic = (2, name);
            server.said.push_back(Word::Message {
                topic,
                channel: name,
                number,
            });
        }
    }

    fn lose(&mut self, link: usize) {
        if std::mem::take(&mut self.servers[link]).is_up {
            self.board.lost(link);
        }
        self.is_calm = false;
        self.has_failed = true;
    }

    fn transfer(&mut self, name: &'static str, to: usize) {
        let old = self.owners.insert(name, to).unwrap();
        self.is_calm = false;
        if old != to && self.servers[old].subscribed.remove(&(2, name)) {
            self.servers[old].said.push_back(Word::Changed((2, name), false));
        }
    }

    /// Who is confirmed has its subscriptions at the servers.
    fn check_calm(&self) {
        for (ear, listener) in &self.listeners {
            for topic in &listener.topics {
                for link in self.targets(*topic) {
                    assert!(
                        self.servers[link].subscribed.contains(topic),
                        "{ear} hears nothing of {topic:?}"
                    );
                }
            }
        }
    }

    /// Lets everything come to rest: then all is as it should be, and every message reaches whom it should.
    fn rest(&mut self) {
        for round in 0..60 {
            let is_quiet = |server: &Server| server.is_up && server.said.is_empty() && server.asked.is_empty();
            if round > 3 && self.servers.iter().all(is_quiet) {
                break;
            }
            for link in 0..3 {
                self.act(&Act::Connect(link));
                self.act(&Act::Again(link));
                for _ in 0..20 {
                    self.act(&Act::Serve(link, false));
                    self.act(&Act::Hear(link));
                }
            }
        }
        assert!(
            self.servers
                .iter()
                .all(|server| server.said.is_empty() && server.asked.is_empty())
        );
        self.check_calm();
        let wanted: BTreeSet<Topic> = self
            .listeners
            .values()
            .flat_map(|listener| listener.topics.clone())
            .collect();
        assert_eq!(self.board.topics(), wanted.len(), "nothing is kept that nobody wants");
        for (link, server) in self.servers.iter().enumerate() {
            assert!(server.subscribed.iter().all(|topic| wanted.contains(topic)));
            assert_eq!(self.board.load(link), server.subscribed.len());
        }
        assert!(self.listeners.values().all(|listener| listener.request.is_none()));
        self.check_messages();
    }

    fn check_messages(&mut self) {
        for channel in CHANNELS {
            self.delivered.clear();
            self.publish(1, channel);
            (0..3).for_each(|link| (0..20).for_each(|_| self.act(&Act::Hear(link))));
            let matches = |topic: &&Topic| match topic.0 {
                0 => topic.1 == channel,
                1 => channel.starts_with(topic.1.trim_end_matches('*')),
                _ => false,
            };
            let listeners = self.listeners.values();
            let expected: usize = listeners.map(|ear| ear.topics.iter().filter(matches).count()).sum();
            assert_eq!(self.delivered.len(), expected, "{channel}");
        }
    }
}

impl Listener {
    fn count(&self, kind: usize) -> usize {
        let is_shard = |topic: &&Topic| topic.0 == 2;
        let shards = self.topics.iter().filter(is_shard).count();
        if kind == 2 { shards } else { self.topics.len() - shards }
    }
}

fn topic(kind: usize, name: &[u8]) -> Topic {
    let known = NAMES[kind].iter().find(|known| known.as_bytes() == name);
    (kind, known.expect("a name of the script"))
}

fn calm() -> impl Strategy<Value = Act> {
    let names = |least| proptest::collection::vec(0_usize..4, least..4);
    prop_oneof![
        2 => Just(Act::Enter),
        1 => (0_usize..6).prop_map(Act::Goodbye),
        6 => (0_usize..6, 0_usize..3, names(1)).prop_map(|(ear, kind, names)| Act::Listen(ear, kind, names)),
        4 => (0_usize..6, 0_usize..3, names(0)).prop_map(|(ear, kind, names)| Act::Leave(ear, kind, names)),
        8 => (0_usize..3).prop_map(|link| Act::Serve(link, false)),
        8 => (0_usize..3).prop_map(Act::Hear),
        3 => (0_usize..3, 0_usize..5).prop_map(|(at, channel)| Act::Publish(at, channel)),
        2 => (0_usize..2).prop_map(Act::PublishShard),
    ]
}

fn trouble() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => (0_usize..3).prop_map(Act::Lose),
        2 => (0_usize..3).prop_map(Act::Connect),
        2 => (0_usize..2, 0_usize..3).prop_map(|(name, to)| Act::Move(name, to)),
        1 => (0_usize..3).prop_map(Act::Again),
        2 => Just(Act::Look),
        2 => (0_usize..3).prop_map(|link| Act::Serve(link, true)),
    ]
}

fn moves() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0_usize..2, 0_usize..3).prop_map(|(name, to)| Act::Move(name, to)),
        1 => Just(Act::Look),
    ]
}

fn run(script: &[Act]) {
    let mut world = World::new();
    for _ in 0..3 {
        world.act(&Act::Enter);
    }
    for act in script {
        world.act(act);
        if world.is_calm {
            world.check_calm();
        }
    }
    world.rest();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn in_calm_nothing_is_missed(script in proptest::collection::vec(calm(), 1..80)) {
        run(&script);
    }

    #[test]
    fn slots_that_move_take_nothing_away(
        script in proptest::collection::vec(prop_oneof![5 => calm().boxed(), 1 => moves().boxed()], 1..120),
    ) {
        run(&script);
    }

    #[test]
    fn in_trouble_all_comes_right(script in proptest::collection::vec(prop_oneof![5 => calm().boxed(), 1 => trouble().boxed()], 1..120)) {
        run(&script);
    }
}

/// The last listener leaves and comes again, with the answers to both still under way.
#[test]
fn leaving_and_coming_again_in_a_hurry() {
    let mut board = Board::default();
    let link = board.add_link();
    board.connected(link);
    let ear = board.enter();
    let ask = |on| Ask {
        link,
        kind: Channels::Named,
        name: Rc::from(&b"a"[..]),
        on,
    };
    let told = |board: &mut Board| board.take_tellings().len();
    let listen = |board: &mut Board| board.listen(ear, Channels::Named, [(&b"a"[..], vec![link])]);
    listen(&mut board);
    assert_eq!(board.take_asks(), [ask(true)]);
    assert!(board.owes(ear) && told(&mut board) == 0);
    board.confirmed(link, Channels::Named, b"a", true);
    assert!(!board.owes(ear) && told(&mut board) == 1);
    for _ in 0..3 {
        board.leave(ear, Channels::Named, [&b"a"[..]]);
        assert_eq!(told(&mut board), 1);
        assert_eq!(board.take_asks(), [ask(false)]);
        listen(&mut board);
        assert!(board.owes(ear), "what is subscribed now is about to end");
        assert_eq!(board.take_asks(), []);
        assert!(board.audience(link, Channels::Named, b"a", b"a").is_empty());
        board.confirmed(link, Channels::Named, b"a", false);
        assert_eq!(board.take_asks(), [ask(true)]);
        board.confirmed(link, Channels::Named, b"a", true);
        assert!(!board.owes(ear) && told(&mut board) == 1);
        assert_eq!(board.audience(link, Channels::Named, b"a", b"a"), [ear]);
    }
    board.goodbye(ear);
    assert_eq!(board.take_asks(), [ask(false)]);
    board.lost(link);
    assert_eq!((board.topics(), board.load(link)), (0, 0));
}
