#[cfg(test)]
mod tests;
mod upstream;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use tidegate_redis_wire::table::Channels;

use super::shelf::Shelf;
use super::topic::{Leg, LegState, Topic, Waiter, is_event};

/// A listener, a link and a topic, by number.
pub(super) type EarId = usize;
pub(super) type LinkId = usize;
pub(super) type TopicId = usize;

/// So many refusals in a row that may pass (a slot on the move, a cluster without a quorum) are sat out before who
/// waits is told.
const MOST_REFUSALS: u32 = 6;

/// Who listens to what: what must be asked of servers, and what is to be told to whom when. No sockets and no clock.
#[derive(Debug, Default)]
pub(super) struct Board {
    topics: Shelf<Topic>,
    names: [HashMap<Rc<[u8]>, TopicId>; 3],
    ears: Shelf<Ear>,
    links: Shelf<Line>,
    asks: Vec<Ask>,
    tellings: Vec<(EarId, Telling)>,
}

/// What is to be asked of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) link: LinkId,
    pub(super) kind: Channels,
    pub(super) name: Rc<[u8]>,
    /// To subscribe; else to unsubscribe.
    pub(super) on: bool,
}

/// What is to be told to a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Telling {
    /// A subscription began or ended; without a name, there was none to end.
    Confirmed {
        kind: Channels,
        on: bool,
        name: Option<Rc<[u8]>>,
        count: usize,
    },
    /// Its request came to nothing: an error's text.
    Refused(Rc<[u8]>),
}

/// A listener.
#[derive(Debug, Default)]
struct Ear {
    /// What it listens to, and its place among each topic's members.
    topics: BTreeMap<TopicId, usize>,
    counts: [usize; 3],
    request: Option<Request>,
}

/// Names that a listener has asked for in one command, until all of them are there. As at a server, either all of
/// them are subscribed or none is.
#[derive(Debug)]
struct Request {
    topics: Vec<TopicId>,
    /// So many of them are still to come.
    missing: usize,
}

#[derive(Debug, Default)]
struct Line {
    is_up: bool,
    /// How many legs stand on it.
    load: usize,
}

impl Ear {
    /// As in `pubsub.c`: channels and patterns are counted together, shard channels apart.
    fn count(&self, kind: Channels) -> usize {
        let [named, patterns, shards] = self.counts;
        if kind == Channels::Shard {
            shards
        } else {
            named + patterns
        }
    }
}

impl Board {
    pub(super) fn enter(&mut self) -> EarId {
        self.ears.insert(Ear::default())
    }

    /// A listener is gone.
    pub(super) fn goodbye(&mut self, ear: EarId) {
        self.withdraw(ear);
        let topics = self.ears.get(ear).map(|ear| ear.topics.keys().copied().collect());
        let topics: Vec<TopicId> = topics.unwrap_or_default();
        for id in topics {
            self.part(ear, id);
        }
        self.ears.remove(ear);
    }

    /// How many subscriptions of any kind it has.
    pub(super) fn count(&self, ear: EarId) -> usize {
        self.ears.get(ear).map_or(0, |ear| ear.counts.iter().sum())
    }

    /// Whether an answer to its request is still to come.
    pub(super) fn owes(&self, ear: EarId) -> bool {
        self.ears.get(ear).is_some_and(|ear| ear.request.is_some())
    }

    /// Whether the topic is there, and so has its place.
    pub(super) fn knows(&self, kind: Channels, name: &[u8]) -> bool {
        self.find(kind, name).is_some()
    }

    pub(super) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Subscribes to names, each with the links that it belongs on if it is new. Not while it owes an answer.
    pub(super) fn listen<'n>(
        &mut self,
        ear: EarId,
        kind: Channels,
        names: impl IntoIterator<Item = (&'n [u8], Vec<LinkId>)>,
    ) {
        debug_assert!(!self.owes(ear), "one request at a time");
        let mut request = Request {
            topics: Vec::new(),
            missing: 0,
        };
        for (name, links) in names {
            let id = self.topic(kind, name, &links);
            request.topics.push(id);
            let Some(topic) = self.topics.get_mut(id) else { continue };
            // Within this call nobody else becomes one.
            if topic.waiters.last().is_none_or(|waiter| waiter.ear != ear) {
                let is_due = !topic.is_ready();
                topic.waiters.push(Waiter { ear, is_due });
                request.missing += usize::from(is_due);
                self.settle(id);
            }
        }
        let is_there = request.missing == 0;
        if let Some(ear) = self.ears.get_mut(ear) {
            ear.request = Some(request);
        }
        if is_there {
            self.complete(ear);
        }
    }

    /// Unsubscribes from names. Not while it owes an answer.
    pub(super) fn leave<'n>(&mut self, ear: EarId, kind: Channels, names: impl IntoIterator<Item = &'n [u8]>) {
        debug_assert!(!self.owes(ear), "one request at a time");
        for name in names {
            match self.find(kind, name) {
                Some(id) => {
                    let name = self.topics.get(id).map(|topic| Rc::clone(&topic.name));
                    self.part(ear, id);
                    self.confirm(ear, kind, false, name);
                }
                None => self.confirm(ear, kind, false, Some(name.into())),
            }
        }
    }

    /// Unsubscribes from everything of a kind.
    pub(super) fn leave_all(&mut self, ear: EarId, kind: Channels) {
        let topics = self.ears.get(ear).into_iter().flat_map(|ear| ear.topics.keys());
        let of_kind = topics
            .filter_map(|id| self.topics.get(*id))
            .filter(|topic| topic.kind == kind);
        let names: Vec<Rc<[u8]>> = of_kind.map(|topic| Rc::clone(&topic.name)).collect();
        if names.is_empty() {
            self.confirm(ear, kind, false, None);
        }
        self.leave(ear, kind, names.iter().map(|name| &**name));
    }

    /// Who hears a message that came over a link for a topic; the channel is where it was published.
    pub(super) fn audience(&self, link: LinkId, kind: Channels, name: &[u8], channel: &[u8]) -> &[EarId] {
        let Some(topic) = self.find(kind, name).and_then(|id| self.topics.get(id)) else {
            return &[];
        };
        // What is subscribed at several servers is heard from each of them where each tells its own, else from one.
        let speaks = topic.speaker == Some(link) || is_event(channel);
        if speaks && topic.leg(link).is_some_and(|leg| leg.is_target) {
            &topic.members
        } else {
            &[]
        }
    }

    pub(super) fn take_asks(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    pub(super) fn take_tellings(&mut self) -> Vec<(EarId, Telling)> {
        std::mem::take(&mut self.tellings)
    }

    fn find(&self, kind: Channels, name: &[u8]) -> Option<TopicId> {
        self.names[kind as usize].get(name).copied()
    }

    fn topic(&mut self, kind: Channels, name: &[u8], links: &[LinkId]) -> TopicId {
        if let Some(id) = self.find(kind, name) {
            return id;
        }
        let name: Rc<[u8]> = name.into();
        let id = self.topics.insert(Topic::new(kind, Rc::clone(&name)));
        self.names[kind as usize].insert(name, id);
        self.spread(id, links);
        id
    }

    /// Says which links a topic belongs on.
    fn spread(&mut self, id: TopicId, links: &[LinkId]) {
        let Some(topic) = self.topics.get_mut(id) else { return };
        topic.speaker = links.first().copied();
        for leg in &mut topic.legs {
            leg.is_target = links.contains(&leg.link);
        }
        for link in links {
            if topic.leg(*link).is_none() {
                topic.legs.push(Leg {
                    link: *link,
                    is_target: true,
                    state: LegState::Off,
                });
                if let Some(line) = self.links.get_mut(*link) {
                    line.load += 1;
                }
            }
        }
    }

    /// Asks for what is wanted and not so, and forgets what nobody wants.
    fn settle(&mut self, id: TopicId) {
        let Some(topic) = self.topics.get_mut(id) else { return };
        let is_wanted = topic.is_wanted();
        let (name, kind) = (&topic.name, topic.kind);
        for leg in &mut topic.legs {
            let on = match (leg.state, is_wanted && leg.is_target) {
                (LegState::Off, true) if self.links.get(leg.link).is_some_and(|line| line.is_up) => true,
                (LegState::On, false) => false,
                _ => continue,
            };
            leg.state = if on { LegState::Opening } else { LegState::Closing };
            self.asks.push(Ask {
                link: leg.link,
                kind,
                name: Rc::clone(name),
                on,
            });
        }
        // Where it belongs is kept for as long as it is not gone everywhere: somebody may come for it yet.
        let is_idle = |leg: &Leg| matches!(leg.state, LegState::Off | LegState::Refused);
        let is_gone = !is_wanted && topic.legs.iter().all(is_idle);
        let links = &mut self.links;
        topic.legs.retain(|leg| {
            let stays = !is_idle(leg) || leg.is_target && !is_gone;
            if !stays && let Some(line) = links.get_mut(leg.link) {
                line.load -= 1;
            }
            stays
        });
        if is_gone {
            let names = &mut self.names[kind as usize];
            names.remove(name);
            if names.is_empty() {
                *names = HashMap::new();
            }
            self.topics.remove(id);
        }
    }

    /// Everything that a listener asked for is there.
    fn complete(&mut self, ear_id: EarId) {
        let request = self.ears.get_mut(ear_id).and_then(|ear| ear.request.take());
        for id in request.into_iter().flat_map(|request| request.topics) {
            let (Some(topic), Some(ear)) = (self.topics.get_mut(id), self.ears.get_mut(ear_id)) else {
                continue;
            };
            topic.forget_waiter(ear_id);
            let kind = topic.kind;
            ear.topics.entry(id).or_insert_with(|| {
                topic.members.push(ear_id);
                ear.counts[kind as usize] += 1;
                topic.members.len() - 1
            });
            let name = Some(Rc::clone(&topic.name));
            self.confirm(ear_id, kind, true, name);
        }
    }

    fn confirm(&mut self, ear_id: EarId, kind: Channels, on: bool, name: Option<Rc<[u8]>>) {
        let count = self.ears.get(ear_id).map_or(0, |ear| ear.count(kind));
        let telling = Telling::Confirmed { kind, on, name, count };
        self.tellings.push((ear_id, telling));
    }

    /// Takes a listener out of a topic, if it is in it.
    fn part(&mut self, ear_id: EarId, id: TopicId) {
        let (Some(topic), Some(ear)) = (self.topics.get_mut(id), self.ears.get_mut(ear_id)) else {
            return;
        };
        let Some(at) = ear.topics.remove(&id) else { return };
        ear.counts[topic.kind as usize] -= 1;
        topic.members.swap_remove(at);
        let moved = topic.members.get(at).and_then(|moved| self.ears.get_mut(*moved));
        if let Some(place) = moved.and_then(|moved| moved.topics.get_mut(&id)) {
            *place = at;
        }
        self.settle(id);
    }

    /// Takes back a listener's request; whether there was one.
    fn withdraw(&mut self, ear: EarId) -> bool {
        let request = self.ears.get_mut(ear).and_then(|ear| ear.request.take());
        let was_one = request.is_some();
        for id in request.into_iter().flat_map(|request| request.topics) {
            if let Some(topic) = self.topics.get_mut(id) {
                topic.forget_waiter(ear);
            }
            self.settle(id);
        }
        was_one
    }

    /// A topic is subscribed wherever it belongs: who waited for it waits for it no longer.
    fn is_there(&mut self, id: TopicId) {
        let Some(topic) = self.topics.get_mut(id).filter(|topic| topic.is_ready()) else {
            return;
        };
        topic.refusals = 0;
        let due = topic.waiters.iter_mut().filter(|waiter| waiter.is_due);
        let due: Vec<EarId> = due
            .map(|waiter| {
                waiter.is_due = false;
                waiter.ear
            })
            .collect();
        for ear in due {
            let request = self.ears.get_mut(ear).and_then(|ear| ear.request.as_mut());
            let is_complete = request.is_some_and(|request| {
                request.missing -= 1;
                request.missing == 0
            });
            if is_complete {
                self.complete(ear);
            }
        }
    }

    /// Who waits for a topic is told that it will not come.
    fn fail(&mut self, id: TopicId, text: &Rc<[u8]>) {
        let waiters = self.topics.get(id).into_iter().flat_map(|topic| &topic.waiters);
        let due: Vec<EarId> = waiters
            .filter(|waiter| waiter.is_due)
            .map(|waiter| waiter.ear)
            .collect();
        for ear in due {
            if self.withdraw(ear) {
                self.tellings.push((ear, Telling::Refused(Rc::clone(text))));
            }
        }
    }
}
