use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_base::Secret;
use tokio::task::JoinHandle;

use super::Session;
use crate::config::RedisLoginMethod;
use crate::login;
use crate::passthrough::{self, Credential};

/// Who a client has shown that it is.
#[derive(Clone)]
pub(super) struct Proven {
    pub(super) user: String,
    pub(super) credential: Option<Arc<Credential>>,
}

/// How far it is with a client's login.
pub(super) enum Proving {
    /// A server is asked whether it lets the client in.
    Asked(Asked),
    /// It does; the client is to be told so.
    Proven(Box<Proven>),
}

/// A question to a server, which ends with who asked.
pub(super) struct Asked(JoinHandle<Result<(), String>>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    /// Looks whether a password is a user's; `Err` is the error to answer.
    pub(super) fn prove(
        &mut self,
        cx: &mut Context<'_>,
        user: &[u8],
        password: &[u8],
    ) -> Poll<Result<Proven, Cow<'static, str>>> {
        let known = match self.proving.take() {
            Some(Proving::Proven(proven)) => return Poll::Ready(Ok(*proven)),
            Some(Proving::Asked(asked)) => Some(asked),
            None => None,
        };
        let users = &self.rules.users;
        if users.method() != RedisLoginMethod::Server {
            let proven = login::verify(users, user, password);
            return Poll::Ready(proven.map(|user| Proven { user, credential: None }).map_err(Cow::from));
        }
        let (Ok(user), Ok(password)) = (std::str::from_utf8(user), std::str::from_utf8(password)) else {
            return Poll::Ready(Err(login::WRONG_PASS.into()));
        };
        if users.is_disabled(user) {
            return Poll::Ready(Err(login::WRONG_PASS.into()));
        }
        let mut asked = match known.map_or_else(|| self.ask_server(user, password), Ok) {
            Ok(asked) => asked,
            Err(text) => return Poll::Ready(Err(text.into())),
        };
        let Poll::Ready(answer) = Pin::new(&mut asked.0).poll(cx) else {
            self.proving = Some(Proving::Asked(asked));
            return Poll::Pending;
        };
        let answer = answer.unwrap_or_else(|_| Err("ERR the gateway is going down".to_owned()));
        Poll::Ready(answer.map_err(Cow::from).map(|()| {
            let credential = self.room.intern(user.to_owned(), Secret::new(password));
            Proven {
                user: user.to_owned(),
                credential: Some(credential),
            }
        }))
    }

    fn ask_server(&self, user: &str, password: &str) -> Result<Asked, String> {
        let cluster = login::route(&self.rules, user, &self.around).map_err(|refusal| login::words(&refusal))?;
        let group = self.room.group(&cluster).map_err(|refusal| login::words(&refusal))?;
        let (rules, user, password) = (Arc::clone(&group.rules()), user.to_owned(), Secret::new(password));
        let asking = async move { passthrough::ask(&rules, &user, &password).await };
        Ok(Asked(self.room.core.login.spawn(asking)))
    }

    /// Takes on what a login brings: the connections that are opened with it, and what it may do.
    pub(super) fn take_on(&mut self, user: &str, credential: Option<Arc<Credential>>) {
        let identity = credential.as_ref().map_or(0, |credential| credential.id);
        if identity != self.key.identity {
            self.leave_hub();
        }
        self.key.identity = identity;
        self.credential = credential;
        self.know_credential();
        let acl = self.rules.users.acl(user);
        self.acl = (!acl.is_everything()).then_some(acl);
        self.metrics = self.room.user_metrics(&self.group.cluster, user);
        *self.shared.user.borrow_mut() = Arc::from(user);
    }

    /// Tells the clusters of the client's own login.
    pub(super) fn know_credential(&self) {
        if let Some(credential) = &self.credential {
            for group in self.routing.groups() {
                group.know(credential);
            }
        }
    }
}
