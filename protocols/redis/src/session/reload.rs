use std::sync::Arc;

use tidegate_base::{Kind, Origin};
use tidegate_engine::SessionError;

use super::Session;

impl Session {
    /// Takes what a new configuration says of the client's listener, as soon as nothing of the client's is under way: who
    /// may log in, what they may do, and where they go. Its chain stays.
    pub(super) fn follow_plan(&mut self) {
        let has_state = self.own.is_some() || self.transaction.is_some() || self.proving.is_some();
        if has_state || !self.is_quiet() {
            return;
        }
        let plan = self.room.plan();
        self.plan = self.room.generation();
        // Clients of a listener that is gone keep what they have.
        let Some(rules) = plan.listeners.get(&self.shared.listener) else {
            return;
        };
        self.rules = Arc::clone(rules);
        self.gateways = None;
        if self.is_stranger {
            return;
        }
        let user = Arc::clone(&self.shared.user.borrow());
        if !self.rules.users.lets_stay(&user) {
            return self.dismiss(format!("user '{user}' may not log in any more"));
        }
        let acl = self.rules.users.acl(&user);
        self.acl = (!acl.is_everything()).then_some(acl);
        if let Err(refusal) = self.reroute(&user) {
            self.dismiss(refusal.text.into());
        }
    }

    /// Ends the session, as the configuration has no place for it any more.
    fn dismiss(&mut self, why: String) {
        tracing::info!(peer = %self.shared.peer, %why, "a client is closed: the configuration has changed");
        self.ended = Some(SessionError::new(Origin::Internal, Kind::Config, why).into());
        self.closing = true;
    }
}
