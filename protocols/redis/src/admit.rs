//! From accept to the point where a client is handed to its core: TLS, login, route. Runs on login threads.

use std::sync::Arc;

use tidegate_base::{Classify, Kind, Origin};
use tidegate_engine::{Admitted, Downstream, SessionError};
use tidegate_net::tls::{Acceptor, Identity};
use tidegate_net::{Parked, Peer, Stream, TlsMode};
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::reply::{Version, Writer};
use tidegate_redis_wire::request::{Command, Splitter, Step};
use tidegate_redis_wire::table::{self, Effect};

use crate::Redis;
use crate::login::{self, Circumstances};
use crate::plan::ListenerRules;

/// How much of a stranger is read at once.
const READ: usize = 4 * 1024;
/// The first byte of a TLS record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A client that is who it says it is, on its way to its core.
pub(crate) struct Client {
    pub(crate) stream: Parked,
    /// What it sent and nobody has answered yet.
    pub(crate) early: Vec<u8>,
    pub(crate) listener: Arc<str>,
    pub(crate) rules: Arc<ListenerRules>,
    pub(crate) cluster: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) around: Arc<Circumstances>,
    pub(crate) peer: String,
    pub(crate) is_tls: bool,
    pub(crate) id: u64,
}

/// A client's stream before it is logged in.
struct Stranger {
    stream: Stream,
    held: Vec<u8>,
    out: Vec<u8>,
}

/// What came of a stranger's command.
enum Answered {
    /// It is answered, or says nothing.
    Next,
    /// It is this user now.
    Known(String),
    /// It leaves, or is to.
    Gone,
}

/// Greets a client.
pub(crate) async fn admit(redis: &Redis, downstream: Downstream) -> Result<Admitted, SessionError> {
    let Downstream {
        stream,
        peer,
        listener,
        refusal,
        ..
    } = downstream;
    let mut stranger = Stranger {
        stream,
        held: Vec::new(),
        out: Vec::new(),
    };
    let identity = stranger.secure(listener.tls.as_deref(), peer).await?;
    if let Some(refusal) = refusal {
        let text = match refusal.reason {
            tidegate_base::Reason::Overloaded => "ERR max number of clients reached".to_owned(),
            _ => login::words(&refusal),
        };
        return stranger.refuse(&text, Kind::Limit).await;
    }
    let plan = redis.plan();
    let Some(rules) = plan.listeners.get(&listener.name).map(Arc::clone) else {
        return stranger
            .refuse("ERR this listener is being removed", Kind::Config)
            .await;
    };
    let user = if rules.users.is_open() {
        "default".to_owned()
    } else {
        match stranger.log_in(&rules).await? {
            Some(user) => user,
            None => return Ok(Admitted::Finished),
        }
    };
    let around = circumstances(peer, identity);
    let cluster = match login::route(&rules, &user, &around) {
        Ok(cluster) => cluster,
        Err(refusal) => return stranger.refuse(&login::words(&refusal), Kind::Login).await,
    };
    let id = redis.next_client();
    let client = Client {
        is_tls: stranger.stream.tls().is_some(),
        stream: stranger
            .stream
            .park()
            .map_err(|error| SessionError::downstream(&error))?,
        early: stranger.held,
        listener: Arc::clone(&listener.name),
        rules,
        cluster,
        user: Arc::from(user),
        around: Arc::new(around),
        peer: peer.to_string(),
        id,
    };
    Ok(Admitted::Client {
        // Every core has shared connections of its own, so clients are dealt out over the cores in turn.
        home: id << 32,
        client: Box::new(client),
    })
}

fn circumstances(peer: Peer, identity: Option<Identity>) -> Circumstances {
    let mut certificate = Vec::new();
    let mut sni = None;
    if let Some(identity) = identity {
        certificate.extend(identity.common_name);
        certificate.extend(identity.alternative_names);
        sni = identity.server_name;
    }
    Circumstances {
        client: peer.ip(),
        sni,
        certificate,
    }
}

impl Stranger {
    /// TLS, which in Redis begins with the first byte or never.
    async fn secure(&mut self, tls: Option<&Acceptor>, peer: Peer) -> Result<Option<Identity>, SessionError> {
        let Some(tls) = tls.filter(|_| peer.ip().is_some()) else {
            return Ok(None);
        };
        if tls.mode() == TlsMode::Allow {
            self.read().await?;
            if self.held.first() != Some(&TLS_HANDSHAKE) {
                return Ok(None);
            }
        }
        let early = std::mem::take(&mut self.held);
        Ok(Some(tls.accept(&mut self.stream, &early).await?))
    }

    /// Answers until it is known who this is; `None` when it leaves first.
    async fn log_in(&mut self, rules: &ListenerRules) -> Result<Option<String>, SessionError> {
        let mut splitter = Splitter::new(rules.limits, true);
        loop {
            let held = std::mem::take(&mut self.held);
            let found = self.look(&held, &mut splitter, rules);
            self.held = held;
            let (length, step) = match found {
                Ok(found) => found,
                Err(error) => {
                    let kind = error.kind();
                    return self.refuse(&format!("ERR {error}"), kind).await.map(|_| None);
                }
            };
            self.held.drain(..length);
            let out = std::mem::take(&mut self.out);
            if !out.is_empty() {
                self.say(&out).await?;
            }
            match step {
                Some(Answered::Known(user)) => return Ok(Some(user)),
                Some(Answered::Gone) => {
                    self.stream.shutdown_write();
                    return Ok(None);
                }
                Some(Answered::Next) => {}
                None if !self.read().await? => return Ok(None),
                None => {}
            }
        }
    }

    /// Looks at what stands at the start of the bytes: how many of them are done with. `None` when more are needed.
    fn look(
        &mut self,
        held: &[u8],
        splitter: &mut Splitter,
        rules: &ListenerRules,
    ) -> Result<(usize, Option<Answered>), RequestError> {
        match splitter.next(held)? {
            Step::More(_) => Ok((0, None)),
            Step::Skip(length) => Ok((length, Some(Answered::Next))),
            Step::Command(command) => {
                let (keeps, step) = self.answer(&command, rules);
                Ok((if keeps { 0 } else { command.bytes().len() }, Some(step)))
            }
            Step::Inline(line) => {
                let mut rewritten = Vec::new();
                if line.rewrite(&mut rewritten)? == 0 {
                    return Ok((line.total(), Some(Answered::Next)));
                }
                match Splitter::new(rules.limits, true).next(&rewritten)? {
                    Step::Command(command) => {
                        let (keeps, step) = self.answer(&command, rules);
                        Ok((if keeps { 0 } else { line.total() }, Some(step)))
                    }
                    _ => Ok((line.total(), Some(Answered::Next))),
                }
            }
        }
    }

    /// Answers one command. A HELLO that logs in is kept for the session, which knows what the server is like.
    fn answer(&mut self, command: &Command<'_>, rules: &ListenerRules) -> (bool, Answered) {
        let mut writer = Writer::new(&mut self.out, Version::Resp2);
        let effect = table::resolve(command).map_or_else(
            |_| Effect::of_unknown(command.name()),
            |row| {
                if row.accepts(command.count()) {
                    row.effect(command)
                } else {
                    Effect::Plain
                }
            },
        );
        match effect {
            Effect::Auth => match login::auth(&rules.users, command) {
                Ok(user) => {
                    writer.ok();
                    return (false, Answered::Known(user));
                }
                Err(text) => writer.error(text),
            },
            Effect::Hello => match login::hello(command) {
                Ok(hello) => match hello.auth {
                    Some((user, password)) => match login::verify(&rules.users, user, password) {
                        Ok(user) => return (true, Answered::Known(user)),
                        Err(text) => writer.error(text),
                    },
                    None => writer.error(login::HELLO_NO_AUTH),
                },
                Err(text) => writer.error(&text),
            },
            Effect::Quit => {
                writer.ok();
                return (false, Answered::Gone);
            }
            Effect::Reset => writer.simple("RESET"),
            Effect::CrossProtocol => return (false, Answered::Gone),
            _ => writer.error(login::NO_AUTH),
        }
        (false, Answered::Next)
    }

    /// Reads some more; `false` at the end of the stream.
    async fn read(&mut self) -> Result<bool, SessionError> {
        match self.stream.read_some(&mut self.held, READ).await {
            Ok(0) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(SessionError::downstream(&error)),
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let said = self.stream.write_all(bytes).await;
        said.map_err(|error| SessionError::downstream(&error))
    }

    /// Turns the client away in Redis's words.
    async fn refuse(&mut self, text: &str, kind: Kind) -> Result<Admitted, SessionError> {
        let mut out = std::mem::take(&mut self.out);
        Writer::new(&mut out, Version::Resp2).error(text);
        self.say(&out).await?;
        self.stream.shutdown_write();
        Err(SessionError::new(Origin::Downstream, kind, text.to_owned()))
    }
}
