use std::rc::Rc;

use tidegate_redis_wire::table::Channels;

use super::{Ask, Board, Line, LinkId, MOST_REFUSALS, TopicId};
use crate::hub::topic::{LegState, is_placed};

/// The servers' side of the board: what links say, and where topics belong.
impl Board {
    /// A place for a link, which is not up yet.
    pub(in crate::hub) fn add_link(&mut self) -> LinkId {
        self.links.insert(Line::default())
    }

    /// Takes away a link that has nothing on it.
    pub(in crate::hub) fn remove_link(&mut self, link: LinkId) {
        debug_assert_eq!(self.load(link), 0, "something still stands on it");
        self.links.remove(link);
    }

    /// How many subscriptions a link has, or is to have, or is to end.
    pub(in crate::hub) fn load(&self, link: LinkId) -> usize {
        self.links.get(link).map_or(0, |line| line.load)
    }

    /// A link is up, with nothing subscribed on it: everything that belongs there is asked for.
    pub(in crate::hub) fn connected(&mut self, link: LinkId) {
        if let Some(line) = self.links.get_mut(link) {
            line.is_up = true;
        }
        for id in self.on(link) {
            self.settle(id);
        }
    }

    /// A link's connection is gone, and with it every subscription and every answer. Listeners stay: publish and
    /// subscribe is at most once.
    pub(in crate::hub) fn lost(&mut self, link: LinkId) {
        if let Some(line) = self.links.get_mut(link) {
            line.is_up = false;
        }
        for id in self.on(link) {
            self.set(id, link, LegState::Off);
            self.settle(id);
        }
    }

    /// A link cannot be had at the moment: who waits for something on it is told so.
    pub(in crate::hub) fn unreachable(&mut self, link: LinkId, text: &[u8]) {
        let text: Rc<[u8]> = text.into();
        for id in self.on(link) {
            let target = self.topics.get(id).and_then(|topic| topic.leg(link));
            if target.is_some_and(|leg| leg.is_target && leg.state != LegState::On) {
                self.fail(id, &text);
            }
        }
    }

    /// The server has done what it was asked.
    pub(in crate::hub) fn confirmed(&mut self, link: LinkId, kind: Channels, name: &[u8], on: bool) {
        let Some(id) = self.find(kind, name) else { return };
        match (self.state(id, link), on) {
            (Some(LegState::Opening), true) => self.set(id, link, LegState::On),
            (Some(LegState::Closing), false) => self.set(id, link, LegState::Off),
            _ => return,
        }
        self.is_there(id);
        self.settle(id);
    }

    /// The server says no to what it was asked. Where the topic is still wanted there, it is to be asked for again
    /// later or somewhere else: how often it was refused since anybody was told.
    pub(in crate::hub) fn declined(&mut self, ask: &Ask, text: &[u8], is_passing: bool) -> Option<u32> {
        let Ask {
            link,
            kind,
            ref name,
            on,
        } = *ask;
        let id = self.find(kind, name)?;
        if !on {
            // It is not subscribed there any more (its slot has moved, or Valkey says that nothing was), or what it
            // still sends is for nobody.
            self.set(id, link, LegState::Off);
            self.settle(id);
            return None;
        }
        self.set(id, link, LegState::Refused);
        let refusals = self.topics.get_mut(id).map_or(0, |topic| {
            topic.refusals += 1;
            topic.refusals
        });
        if !is_passing || refusals >= MOST_REFUSALS {
            if let Some(topic) = self.topics.get_mut(id) {
                topic.refusals = 0;
            }
            self.fail(id, &text.into());
        }
        self.settle(id);
        let id = self.find(kind, name)?;
        let refusals = self.topics.get(id)?.refusals;
        (self.state(id, link)? == LegState::Refused).then_some(refusals)
    }

    /// The server has ended a subscription by itself: the topic must be [placed](Self::place) again. Whether it was one
    /// that is wanted; else its end was asked for already.
    pub(in crate::hub) fn revoked(&mut self, link: LinkId, kind: Channels, name: &[u8]) -> bool {
        let id = self.find(kind, name);
        let id = id.filter(|id| self.state(*id, link) == Some(LegState::On));
        if let Some(id) = id {
            self.set(id, link, LegState::Off);
        }
        id.is_some()
    }

    /// Moves a topic to where it belongs now. It is heard from there alone from now on: what is lost meanwhile is
    /// lost, but nothing comes twice.
    pub(in crate::hub) fn place(&mut self, kind: Channels, name: &[u8], links: &[LinkId]) {
        if let Some(id) = self.find(kind, name) {
            self.spread(id, links);
            self.settle(id);
            self.is_there(id);
        }
    }

    /// The layout says that a topic belongs on these links. Where a server has it and is one that `knows`, that server is
    /// asked once more: one that has lost a shard channel's slot says so (`cluster.c`, `removeChannelsInSlot`) behind the
    /// last message, so that nothing is missed, and one that is a replica now goes on telling, so that nothing comes twice.
    pub(in crate::hub) fn doubt(
        &mut self,
        kind: Channels,
        name: &[u8],
        links: &[LinkId],
        knows: impl Fn(LinkId) -> bool,
    ) {
        let topic = self.find(kind, name).and_then(|id| self.topics.get_mut(id));
        let mut legs = topic.into_iter().flat_map(|topic| topic.legs.iter_mut());
        let here = legs.find(|leg| leg.is_target && matches!(leg.state, LegState::On | LegState::Opening));
        match here.filter(|leg| kind == Channels::Shard && knows(leg.link)) {
            Some(leg) if links.contains(&leg.link) || leg.state == LegState::Opening => {}
            Some(leg) => {
                leg.state = LegState::Opening;
                self.asks.push(Ask {
                    link: leg.link,
                    kind,
                    name: name.into(),
                    on: true,
                });
            }
            None => self.place(kind, name, links),
        }
    }

    /// What the server of a link has refused.
    pub(in crate::hub) fn refused_on(&self, link: LinkId) -> Vec<(Channels, Rc<[u8]>)> {
        let refused = |id: &TopicId| self.state(*id, link) == Some(LegState::Refused);
        let topics = self.on(link).into_iter().filter(refused);
        let named = topics.filter_map(|id| self.topics.get(id));
        named.map(|topic| (topic.kind, Rc::clone(&topic.name))).collect()
    }

    /// Asks again for what was refused.
    pub(in crate::hub) fn again(&mut self, link: LinkId) {
        for id in self.on(link) {
            if self.state(id, link) == Some(LegState::Refused) {
                self.set(id, link, LegState::Off);
                self.settle(id);
            }
        }
    }

    /// What belongs somewhere by the layout of a cluster: shard channels and what is subscribed at every primary, or
    /// `all` there is.
    pub(in crate::hub) fn placed(&self, all: bool) -> Vec<(Channels, Rc<[u8]>)> {
        let topics = self.topics.numbers().filter_map(|id| self.topics.get(id));
        topics
            .filter(|topic| all || is_placed(topic.kind, &topic.name))
            .map(|topic| (topic.kind, Rc::clone(&topic.name)))
            .collect()
    }

    /// That of it which stands on a link.
    pub(in crate::hub) fn placed_on(&self, link: LinkId, all: bool) -> Vec<(Channels, Rc<[u8]>)> {
        let topics = self.on(link).into_iter().filter_map(|id| self.topics.get(id));
        let placed = topics.filter(|topic| all || is_placed(topic.kind, &topic.name));
        placed.map(|topic| (topic.kind, Rc::clone(&topic.name))).collect()
    }

    fn on(&self, link: LinkId) -> Vec<TopicId> {
        let stands = |id: &TopicId| self.topics.get(*id).is_some_and(|topic| topic.leg(link).is_some());
        self.topics.numbers().filter(stands).collect()
    }

    fn state(&self, id: TopicId, link: LinkId) -> Option<LegState> {
        Some(self.topics.get(id)?.leg(link)?.state)
    }

    fn set(&mut self, id: TopicId, link: LinkId, state: LegState) {
        if let Some(leg) = self.topics.get_mut(id).and_then(|topic| topic.leg_mut(link)) {
            leg.state = state;
        }
    }
}
