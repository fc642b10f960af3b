//! What servers do not do: somebody else is to, or the same one later.

use std::sync::Arc;
use std::time::Duration;

use tidegate_redis_wire::reply::{Code, Failure, Redirect};
use tidegate_redis_wire::request::{Splitter, Step};
use tidegate_redis_wire::table::{Access, Categories, Effect, Row};

use super::Session;
use super::again::{PAUSE, To};
use super::own::{OWN, Own};
use super::route::SLOT_DOWN;
use crate::job::Job;
use crate::layout::{Node, RedisKind as Kind};

const MOVED_AWAY: &str = "TRYAGAIN the slot of this transaction is moving to another server; try again";
/// How many redirections a command follows before it waits in between.
const MOST_HURRIED: u32 = 5;

impl Session {
    /// A server has answered that it does not do this, and nothing was done: whether it is sent elsewhere, or later.
    pub(super) fn is_turned_away(&mut self, job: Job, failure: Failure<'_>, from: usize) -> bool {
        let kind = self.group.layout().kind;
        let is_cluster = kind == Kind::Cluster;
        let code = failure.code();
        let is_ours = match code {
            Code::Moved | Code::Ask | Code::TryAgain | Code::ClusterDown => is_cluster,
            Code::Loading | Code::MasterDown | Code::ReadOnly => kind.has_replicas(),
            _ => false,
        };
        if !is_ours {
            return false;
        }
        let Some(node) = self.node_of(from) else { return false };
        let row = self.order.get(job.number).and_then(|ticket| ticket.row);
        // Scripts and modules answer whatever they like, and so does DEBUG ERROR.
        let is_its_own = row.is_some_and(|row| !row.categories.has(Categories::SCRIPTING) && row.name != "debug");
        // The keys of what is unknown are too; EXEC is sent away for the sake of what it ends.
        let names_its_keys = row.is_some() && !is_its_own;
        let redirect = failure.redirect();
        let to = match redirect {
            // Nobody is sent away for the sake of another slot.
            Some(redirect) if names_its_keys && self.bucket_of(job) != Some(redirect.slot.number()) => return false,
            Some(redirect) => self.led_to(&redirect, &node, is_its_own),
            None if !is_its_own && !failure.is_beforehand() => return false,
            None => None,
        };
        if to.is_none() {
            self.group.seek();
        }
        if code == Code::ReadOnly {
            self.doubt(from);
        }
        let Some(ticket) = self.order.get(job.number) else {
            return false;
        };
        let is_exec = row.is_some_and(|row| row.effect_by_name() == Effect::Exec);
        let has_state = |own: &Own| is_exec || own.multi || !own.pin.is_clean();
        if from == OWN && self.own.as_deref().is_some_and(has_state) {
            // What the client has put there is lost with the slot, and other servers' addresses are not for it.
            if redirect.is_some() {
                ticket.instead = Some(format!("-{MOVED_AWAY}\r\n").into_bytes().into());
            }
            return false;
        }
        let (tries, began) = (ticket.tries, ticket.began);
        let hurries = to.is_some() && tries < MOST_HURRIED;
        let is_late = self.room.core.now() >= began + self.group.patience();
        if self.order.bytes(job).is_none() || is_late && !hurries {
            if let Some(ticket) = self.order.get(job.number).filter(|_| redirect.is_some()) {
                ticket.instead = Some(format!("-{SLOT_DOWN}\r\n").into_bytes().into());
            }
            return false;
        }
        let error = match redirect {
            Some(_) => format!("-{SLOT_DOWN}\r\n"),
            None => format!("-{}\r\n", String::from_utf8_lossy(failure.text())),
        };
        let error = to.is_none().then(|| error.into_bytes().into());
        let to = match (to, from) {
            (to, OWN) => self.own_again(job, to),
            (Some((node, asking)), _) => To::Node { node, asking },
            (None, _) => To::Route,
        };
        let pause = if hurries { Duration::ZERO } else { PAUSE };
        self.send_again(job, to, reason(code), pause, error);
        true
    }

    /// Who a redirection leads to, and whether behind ASKING. What may be a script's own words leads to nobody who was not
    /// known before, and is no news of the layout; the servers are asked themselves.
    fn led_to(&self, redirect: &Redirect<'_>, from: &Node, is_its_own: bool) -> Option<(Arc<Node>, bool)> {
        let rules = self.group.rules();
        let (atlas, asking) = (&rules.atlas, redirect.ask);
        let node = if !is_its_own {
            let address = from.address_of(redirect.host, redirect.port);
            let layout = self.group.layout();
            let known = layout.nodes().find(|node| node.endpoint.address == address);
            Arc::clone(known?)
        } else if asking {
            atlas.at(redirect.host, redirect.port, from)
        } else {
            atlas.moved(redirect.slot, redirect.host, redirect.port, from)
        };
        Some((node, asking))
    }

    /// What the keys of a command, or of a part of it, have in common; `None` where there are none, or it does not matter.
    pub(super) fn bucket_of(&mut self, job: Job) -> Option<u16> {
        let layout = self.group.layout();
        if !layout.is_spread() {
            return None;
        }
        let ticket = self.order.get(job.number)?;
        if let Some(parts) = &ticket.parts {
            return parts.bucket(job.part);
        }
        let row = ticket.row?;
        if let Some(bucket) = ticket.bucket {
            return Some(bucket);
        }
        // What makes state is not routed by its ticket.
        let bytes = self.order.bytes(job)?;
        let Ok(Step::Command(command)) = Splitter::new(self.rules.limits, false).next(bytes) else {
            return None;
        };
        let keys = row.slot_keys(&command).ok()?;
        let (key, _) = keys.of(&command).next()?;
        Some(layout.bucket(key).number())
    }

    /// An answer was accepted. What was asked before it of the same keys and turned away must not be done behind it: whoever
    /// asked is told that it was not.
    pub(super) fn overtaken(&mut self, job: Job) {
        if !self.waits_for_others() {
            return;
        }
        let bucket = self.bucket_of(job);
        for older in self.turned_away_before(job.number) {
            if self.bucket_of(older) == bucket {
                self.give_up_on(older);
            }
        }
    }

    /// A server has become a replica: what it answers to reads that were sent behind a write is without that write.
    fn doubt(&mut self, from: usize) {
        let newest = (self.order.first() + self.order.len() as u64).checked_sub(1);
        if let Some(way) = self.ways.get_mut(from).filter(|_| from != OWN) {
            way.doubted = newest;
        }
    }

    /// Whether an answer that begins is of a server that has lost its office since it was asked.
    pub(super) fn is_doubted(&mut self, number: u64, from: usize) -> bool {
        let way = self.ways.get(from).filter(|_| from != OWN);
        if way.and_then(|way| way.doubted).is_none_or(|newest| number > newest) {
            return false;
        }
        let (now, patience) = (self.room.core.now(), self.group.patience());
        let is_kept = self.order.bytes(Job::whole(number)).is_some();
        self.order.get(number).is_some_and(|ticket| {
            let reads = ticket.row.is_some_and(|row| row.access() == Access::Read);
            reads && is_kept && !ticket.is_begun && now < ticket.began + patience
        })
    }

    /// Has a read sent again, whose answer was doubted.
    pub(super) fn ask_another(&mut self, job: Job) {
        self.send_again(job, To::Route, reason(Code::ReadOnly), PAUSE, None);
    }

    /// What made, or would have made, state on the client's own connection is to be done at another server.
    fn own_again(&mut self, job: Job, to: Option<(Arc<Node>, bool)>) -> To {
        let row = self.order.get(job.number).and_then(|ticket| ticket.row);
        let effect = match row.map(Row::effect_by_name) {
            Some(Effect::MayBlock) => Effect::Blocks,
            Some(effect) => effect,
            None => Effect::Plain,
        };
        let (node, asking) = to.map_or((None, false), |(node, asking)| (Some(node), asking));
        To::Own { node, asking, effect }
    }

    fn node_of(&self, from: usize) -> Option<Arc<Node>> {
        if from == OWN {
            return self.own.as_ref().map(|own| Arc::clone(&own.node));
        }
        self.ways.get(from).map(|way| Arc::clone(&way.node))
    }
}

/// The label of a metric.
fn reason(code: Code) -> &'static str {
    match code {
        Code::Moved => "moved",
        Code::Ask => "ask",
        Code::TryAgain => "tryagain",
        Code::ClusterDown => "clusterdown",
        Code::Loading => "loading",
        Code::MasterDown => "masterdown",
        Code::ReadOnly => "readonly",
        _ => "other",
    }
}
