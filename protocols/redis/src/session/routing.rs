use std::rc::Rc;
use std::sync::Arc;

use tidegate_base::Refusal;
use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::Row;

use super::Session;
use crate::group::Group;
use crate::job::Job;
use crate::login;

/// What a client is told whose keys do not belong together.
pub(super) const APART: &[u8] = b"-ERR the keys of this command belong to different clusters\r\n";

/// The place of a rule, and the cluster that it names.
type Member = (usize, Rc<Group>);

/// The clusters that a client's commands go to.
pub(super) struct Routing {
    /// The first is for all commands that no other is for; the others by the places of their rules.
    groups: Vec<Member>,
    /// Which of them is the session's now.
    at: usize,
}

impl Routing {
    pub(super) fn of(group: &Rc<Group>) -> Self {
        Self {
            groups: vec![(usize::MAX, Rc::clone(group))],
            at: 0,
        }
    }

    /// Which cluster the session is turned to.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether keys decide where commands go.
    pub(super) fn is_by_key(&self) -> bool {
        self.groups.len() > 1
    }

    /// All clusters.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Rc<Group>> {
        self.groups.iter().map(|(_, group)| group)
    }
}

impl Session {
    /// Turns to the cluster that a command's keys belong to; `false` when they belong to several. One without keys goes
    /// where the client has its state, or to the first.
    pub(super) fn turn_by_keys(&mut self, row: Option<&'static Row>, command: &Command<'_>) -> bool {
        let keys = row.and_then(|row| row.slot_keys(command).ok());
        let mut found = None;
        if let Some(keys) = &keys {
            for (key, _) in keys.of(command) {
                let at = self.place_of(key);
                if found.is_some_and(|found| found != at) {
                    return false;
                }
                found = Some(at);
            }
        }
        let state = self.own.as_ref().map(|own| own.group);
        self.turn_to(found.or(state).unwrap_or(0));
        true
    }

    fn place_of(&self, key: &[u8]) -> usize {
        let begins = |rule: usize| {
            let rule = self.rules.routes.get(rule);
            rule.is_some_and(|rule| rule.keys.iter().any(|prefix| key.starts_with(prefix)))
        };
        let mut others = self.routing.groups.iter().enumerate().skip(1);
        others.find(|(_, (rule, _))| begins(*rule)).map_or(0, |(at, _)| at)
    }

    /// Turns to a cluster.
    pub(super) fn turn_to(&mut self, at: usize) {
        if at != self.routing.at
            && let Some((_, group)) = self.routing.groups.get(at)
        {
            self.group = Rc::clone(group);
            self.routing.at = at;
        }
    }

    /// Turns to the cluster that something was asked of.
    pub(super) fn turn_back(&mut self, job: Job) {
        if self.routing.is_by_key()
            && let Some(at) = self.order.get(job.number).map(|ticket| ticket.group)
        {
            self.turn_to(at);
        }
    }

    /// Looks anew where the client's commands go, since it is called otherwise now, or is somebody else. There must be
    /// nothing under way.
    pub(super) fn reroute(&mut self, user: &str) -> Result<(), Refusal> {
        let rules = Arc::clone(&self.rules);
        let name = String::from_utf8_lossy(&self.shared.name.borrow()).into_owned();
        let mut found = login::routes(&rules, user, &name, &self.around)?;
        let Some((_, last)) = found.pop() else { return Ok(()) };
        let first = self.room.group(&last.cluster)?;
        let mut groups = vec![(usize::MAX, Rc::clone(&first))];
        for (at, rule) in found {
            groups.push((at, self.room.group(&rule.cluster)?));
        }
        let known = &self.routing.groups;
        let is_same = |((at, group), (new_at, new)): (&Member, &Member)| at == new_at && Rc::ptr_eq(group, new);
        if groups.len() == known.len() && known.iter().zip(&groups).all(is_same) {
            return Ok(());
        }
        self.ways.clear();
        self.leave_hub();
        *self.shared.cluster.borrow_mut() = Arc::clone(&first.cluster);
        self.routing = Routing { groups, at: 0 };
        self.group = first;
        self.metrics = self.room.user_metrics(&self.group.cluster, user);
        self.know_credential();
        Ok(())
    }

    /// The client calls itself otherwise: where routes look at that, it may go elsewhere from here on. A name that no
    /// route is for changes nothing.
    pub(super) fn renamed(&mut self) {
        let looks = self.rules.routes.iter().any(|rule| rule.conditions.looks_at_name());
        let is_free = self.own.is_none() && self.transaction.is_none() && self.is_quiet();
        if looks && is_free {
            let user = Arc::clone(&self.shared.user.borrow());
            if let Err(refusal) = self.reroute(&user) {
                tracing::debug!(peer = %self.shared.peer, %refusal.text, "a client's new name has no route");
            }
        }
    }
}
