use std::time::Duration;

use tidegate_base::Secret;
use tidegate_cluster::Endpoint;
use tidegate_net::{NetError, Stream};
use tidegate_redis_wire::request;

use crate::dial::{DialError, next_reply, reach, within};
use crate::plan::ClusterRules;

/// The longest reply that is read; a cluster of a thousand nodes with scattered slots says about two megabytes.
const MOST: usize = 16 * 1024 * 1024;

/// A conversation of the control plane with one server, in RESP2. Who holds one limits its time by [`Talk::within`].
pub(crate) struct Talk {
    stream: Stream,
    held: Vec<u8>,
    /// How much of `held` is the reply that was returned last.
    used: usize,
}

impl Talk {
    /// Does something with a conversation, within a time.
    pub(crate) async fn within<T>(
        limit: Duration,
        endpoint: &Endpoint,
        talk: impl Future<Output = Result<T, DialError>>,
    ) -> Result<T, DialError> {
        within(limit, endpoint, talk).await
    }

    /// Begins one, logged in where there is a credential.
    pub(crate) async fn open(
        rules: &ClusterRules,
        endpoint: &Endpoint,
        credential: Option<&(String, Secret)>,
    ) -> Result<Self, DialError> {
        let limit = rules.cluster.health.timeout.duration();
        let mut talk = Self {
            // A TLS handshake is large while it lasts.
            stream: Box::pin(reach(rules, endpoint, limit)).await?,
            held: Vec::new(),
            used: 0,
        };
        if let Some((user, password)) = credential {
            talk.say(&["AUTH", user, password.reveal()]).await?;
            talk.hear("AUTH").await?;
        }
        Ok(talk)
    }

    /// Says a command.
    pub(crate) async fn say(&mut self, words: &[&str]) -> Result<(), DialError> {
        let mut out = Vec::new();
        request::command(&mut out, words);
        self.stream.write_all(&out).await.map_err(NetError::from)?;
        Ok(())
    }

    /// Hears the next reply; an error is one here too.
    pub(crate) async fn hear(&mut self, asked: &'static str) -> Result<&[u8], DialError> {
        self.held.drain(..std::mem::take(&mut self.used));
        self.used = next_reply(&mut self.stream, &mut self.held, asked, MOST).await?;
        Ok(self.held.get(..self.used).unwrap_or_default())
    }

    /// Says a command and hears its reply.
    pub(crate) async fn ask(&mut self, words: &[&str], asked: &'static str) -> Result<&[u8], DialError> {
        self.say(words).await?;
        self.hear(asked).await
    }
}
