use std::sync::Arc;
use std::task::Context;

use tidegate_engine::SessionError;
use tidegate_postgres_wire::backend::{self, Status};
use tidegate_postgres_wire::sqlstate;

use super::{PoolMode, Session};
use crate::server::Reported;

/// A login that waits for what a server says of itself.
#[derive(Debug)]
pub(crate) struct Login {
    /// What is to be said before AuthenticationOk.
    pub(crate) last_words: Vec<u8>,
    pub(crate) notice: Option<Arc<str>>,
}

impl Session {
    /// Lets the client in: at once when it is known what a server would say, else as soon as one is lent. In session
    /// mode the client's own server says it.
    pub(super) fn welcome(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        if self.closing || self.waits {
            return Ok(false);
        }
        if self.lease.is_none() {
            if self.mode != PoolMode::Session
                && let Some(reported) = self.group.greeting(&self.started)
            {
                self.let_in(&reported);
                self.rest();
                return Ok(true);
            }
            return Ok(self.borrow(cx));
        }
        let is_settled = self.lease.as_ref().is_some_and(|lease| lease.is_clean());
        if !is_settled {
            return Ok(false);
        }
        let reported = match &self.lease {
            Some(lease) => lease.reported.clone(),
            None => return Ok(false),
        };
        self.let_in(&reported);
        self.try_release();
        Ok(true)
    }

    fn let_in(&mut self, reported: &Reported) {
        let Some(login) = self.login.take() else { return };
        let mut out = login.last_words;
        backend::authentication_ok(&mut out);
        let mut names_itself = false;
        for (name, value) in &reported.0 {
            let own = self.settings.get(name).filter(|_| &**name == "application_name");
            names_itself |= own.is_some();
            backend::parameter_status(&mut out, name.as_bytes(), own.unwrap_or(value).as_bytes());
        }
        if let Some(own) = self.settings.get("application_name").filter(|_| !names_itself) {
            backend::parameter_status(&mut out, b"application_name", own.as_bytes());
        }
        backend::backend_key_data(&mut out, self.shared.key.process(), self.shared.key.secret());
        if let Some(text) = &login.notice {
            backend::notice(&mut out, sqlstate::SUCCESSFUL_COMPLETION, text);
        }
        backend::ready(&mut out, Status::Idle);
        self.to_client.queue(&out, &self.room.core.buffers);
        self.retry = true;
        if self.lease.is_none() {
            self.rest();
        }
    }
}
