//! From accept to the point where a client is handed to its core: TLS, login, route. Runs on login threads.

use std::borrow::Cow;
use std::sync::Arc;

use tidegate_base::{Classify, Kind, Origin, Secret};
use tidegate_engine::{Admitted, Downstream, SessionError};
use tidegate_net::tls::{Acceptor, Identity};
use tidegate_net::{Parked, Peer, Stream, TlsMode};
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::reply::{Version, Writer};
use tidegate_redis_wire::request::{Command, Splitter, Step};
use tidegate_redis_wire::table::{self, Effect};

use crate::Redis;
use crate::config::RedisLoginMethod;
use crate::login::{self, Circumstances};
use crate::passthrough::{self, Credential};
use crate::plan::{ListenerRules, RedisPlan};

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
    /// With what connections to servers are opened for it, where that is not the cluster's own.
    pub(crate) credential: Option<Arc<Credential>>,
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
    /// It shows something that proves who it is, or does not.
    Shown(Shown),
    /// It leaves, or is to.
    Gone,
}

/// What a stranger shows to log in.
struct Shown {
    user: Vec<u8>,
    password: Vec<u8>,
    /// The HELLO that it came with, without it. The session answers that; AUTH is answered here.
    hello: Option<Vec<u8>>,
}

/// Who a client is.
struct Proven {
    user: String,
    credential: Option<Arc<Credential>>,
}

/// What a stranger wants to be let in by.
struct Door<'a> {
    redis: &'a Redis,
    plan: Arc<RedisPlan>,
    rules: Arc<ListenerRules>,
    around: Arc<Circumstances>,
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
    let Some(rules) = plan.rules_at(&listener.name, &listener.address) else {
        return stranger
            .refuse("ERR this listener is being changed: try again", Kind::Config)
            .await;
    };
    let around = Arc::new(circumstances(peer, identity));
    let door = Door {
        redis,
        plan,
        rules,
        around,
    };
    let Some(proven) = stranger.enter(&door).await? else {
        return Ok(Admitted::Finished);
    };
    let Door { rules, around, .. } = door;
    let Proven { user, credential } = proven;
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
        // The buffer of a login is not kept.
        early: if stranger.held.is_empty() {
            Vec::new()
        } else {
            stranger.held
        },
        listener: Arc::clone(&listener.name),
        rules,
        cluster,
        user: Arc::from(user),
        credential,
        around,
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

impl Shown {
    fn new(user: &[u8], password: &[u8], hello: Option<Vec<u8>>) -> Self {
        Self {
            user: user.to_vec(),
            password: password.to_vec(),
            hello,
        }
    }
}

impl Door<'_> {
    /// Who this is, or the error to answer.
    async fn check(&self, shown: &Shown) -> Result<Proven, Cow<'static, str>> {
        if self.rules.users.method() == RedisLoginMethod::Server {
            return self.ask(shown).await;
        }
        let user = login::verify(&self.rules.users, &shown.user, &shown.password)?;
        Ok(Proven { user, credential: None })
    }

    /// Asks the server to which the client would go.
    async fn ask(&self, shown: &Shown) -> Result<Proven, Cow<'static, str>> {
        let (Ok(user), Ok(password)) = (std::str::from_utf8(&shown.user), std::str::from_utf8(&shown.password)) else {
            return Err(login::WRONG_PASS.into());
        };
        if self.rules.users.is_disabled(user) {
            return Err(login::WRONG_PASS.into());
        }
        let cluster = login::route(&self.rules, user, &self.around).map_err(|refusal| login::words(&refusal))?;
        let Some(cluster) = self.plan.clusters.get(&cluster) else {
            return Err("ERR the cluster of this route is being removed".into());
        };
        let password = Secret::new(password);
        passthrough::ask(cluster, user, &password).await?;
        let credential = self.redis.credentials.intern(user.to_owned(), password);
        Ok(Proven {
            user: credential.user.clone(),
            credential: Some(credential),
        })
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

    /// Who this is, by what there is to see of it or by what it says; `None` when it leaves first.
    async fn enter(&mut self, door: &Door<'_>) -> Result<Option<Proven>, SessionError> {
        let users = &door.rules.users;
        match users.at_once(&door.around.certificate) {
            Some(user) => Ok(Some(Proven {
                user: user.to_owned(),
                credential: None,
            })),
            None if users.method() == RedisLoginMethod::Certificate => {
                self.refuse(login::NO_CERTIFICATE, Kind::Login).await.map(|_| None)
            }
            None => self.log_in(door).await,
        }
    }

    /// Answers until it is known who this is; `None` when it leaves first.
    async fn log_in(&mut self, door: &Door<'_>) -> Result<Option<Proven>, SessionError> {
        let mut splitter = Splitter::new(door.rules.limits, true);
        loop {
            let held = std::mem::take(&mut self.held);
            let found = self.look(&held, &mut splitter, &door.rules);
            self.held = held;
            let (length, step) = match found {
                Ok(found) => found,
                Err(error) => {
                    let kind = error.kind();
                    return self.refuse(&format!("ERR {error}"), kind).await.map(|_| None);
                }
            };
            self.held.drain(..length);
            match step {
                Some(Answered::Shown(shown)) => {
                    if let Some(proven) = self.prove(door, shown).await? {
                        return Ok(Some(proven));
                    }
                }
                Some(Answered::Gone) => {
                    self.flush().await?;
                    self.stream.shutdown_write();
                    return Ok(None);
                }
                Some(Answered::Next) => self.flush().await?,
                None if !self.read().await? => return Ok(None),
                None => {}
            }
        }
    }

    /// Looks whether what a client shows is right: then an AUTH is answered, and a HELLO goes on to the session.
    async fn prove(&mut self, door: &Door<'_>, shown: Shown) -> Result<Option<Proven>, SessionError> {
        let checked = door.check(&shown).await;
        let mut writer = Writer::new(&mut self.out, Version::Resp2);
        match (&checked, shown.hello) {
            (Ok(_), Some(hello)) => drop(self.held.splice(..0, hello)),
            (Ok(_), None) => writer.ok(),
            (Err(text), _) => writer.error(text),
        }
        self.flush().await?;
        Ok(checked.ok())
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
            Step::Command(command) => Ok((command.bytes().len(), Some(self.answer(&command, rules)))),
            Step::Inline(line) => {
                let mut rewritten = Vec::new();
                if line.rewrite(&mut rewritten)? == 0 {
                    return Ok((line.total(), Some(Answered::Next)));
                }
                match Splitter::new(rules.limits, true).next(&rewritten)? {
                    Step::Command(command) => Ok((line.total(), Some(self.answer(&command, rules)))),
                    _ => Ok((line.total(), Some(Answered::Next))),
                }
            }
        }
    }

    /// Answers one command, but for the one that shows who this is.
    fn answer(&mut self, command: &Command<'_>, rules: &ListenerRules) -> Answered {
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
            Effect::Auth => match login::shown(&rules.users, command) {
                Ok((user, password)) => return Answered::Shown(Shown::new(user, password, None)),
                Err(text) => writer.error(text),
            },
            Effect::Hello => match login::hello(command) {
                Ok(hello) => match hello.auth {
                    Some((user, password)) => {
                        let kept = login::without_auth(&hello);
                        return Answered::Shown(Shown::new(user, password, Some(kept)));
                    }
                    None => writer.error(login::HELLO_NO_AUTH),
                },
                Err(text) => writer.error(&text),
            },
            Effect::Quit => {
                writer.ok();
                return Answered::Gone;
            }
            Effect::Reset => writer.simple("RESET"),
            Effect::CrossProtocol => return Answered::Gone,
            _ => writer.error(login::NO_AUTH),
        }
        Answered::Next
    }

    /// Says what is there to say.
    async fn flush(&mut self) -> Result<(), SessionError> {
        if self.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.out);
        self.say(&out).await
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
