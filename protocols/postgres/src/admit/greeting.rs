use std::sync::Arc;
use std::time::Instant;

use tidegate_base::{Kind, Origin, Reason, Refusal};
use tidegate_engine::{Admitted, Cores, Downstream, SessionError};
use tidegate_net::tls::Identity;
use tidegate_net::{Peer, Stream, TlsMode};
use tidegate_postgres_wire::backend::{self, Severity};
use tidegate_postgres_wire::{CancelAddress, First, MAX_STARTUP_LEN, Startup, Version, sqlstate};
use tokio::sync::oneshot;

use super::login::{Answerer, log_in};
use super::route::find_route;
use super::seats::take_seats;
use super::visit::{Door, visit};
use super::{Client, add_host, settings_of};
use crate::Postgres;
use crate::console::IsOwnUser;
use crate::plan::ListenerRules;
use crate::room::CancelRequest;
use crate::told::{Farewell, Newcomer};

/// How much of a hello is read at once.
const READ: usize = 2 * 1024;
/// A client may ask for TLS and for GSS once each before its start-up packet.
const MOST_REQUESTS: usize = 3;

/// A client's stream before it is logged in.
pub(super) struct Hello {
    pub(super) stream: Stream,
    pub(super) held: Vec<u8>,
    pub(super) identity: Option<Identity>,
    pub(super) peer: Peer,
    /// When it came.
    pub(super) since: Instant,
    /// The database and the user that it asked for.
    pub(super) asked: (String, String),
    /// How it was asked to show who it is: `scram`, or empty.
    pub(super) proof: &'static str,
}

/// What a client wants once it has said hello.
enum Wish {
    Start(Startup),
    Cancel {
        process: i32,
        secret: Vec<u8>,
    },
    /// It left, as a load balancer's probe does.
    Nothing,
}

/// Greets a client.
pub(crate) async fn admit(postgres: &Postgres, downstream: Downstream) -> Result<Admitted, SessionError> {
    let is_own_user = IsOwnUser(downstream.is_own_user());
    let Downstream {
        stream,
        peer,
        listener,
        refusal,
        is_full,
        cores,
        leaving,
        accepted,
    } = downstream;
    let mut hello = Hello {
        stream,
        held: Vec::new(),
        identity: None,
        peer,
        since: accepted,
        asked: Default::default(),
        proof: "",
    };
    let tls = listener.tls.as_deref();
    let startup = match hello.wish(tls).await? {
        Wish::Nothing => return Ok(Admitted::Finished),
        Wish::Cancel { process, secret } => {
            forward_cancel(postgres, &cores, listener.protocol, process, secret).await;
            return Ok(Admitted::Finished);
        }
        Wish::Start(startup) => startup,
    };
    hello.asked = (startup.database().to_owned(), startup.user().to_owned());
    hello.newcomer().asks(hello.stream.tls().is_some());
    let plan = postgres.plan();
    let rules = plan.rules_at(&listener.name, &listener.address);
    let console = rules.as_ref().and_then(|rules| rules.console.as_ref());
    let visits = console.is_some_and(|console| console.answers(startup.database()));
    // Whoever looks after a gateway that is full comes in all the same.
    if let Some(refusal) = refusal.filter(|_| !(visits && is_full)) {
        return hello.refuse(&refusal, Kind::Limit).await;
    }
    if tls.is_some_and(|tls| tls.mode() == TlsMode::Require) && hello.identity.is_none() && peer.ip().is_some() {
        let refusal = Refusal::new(
            Reason::Unauthenticated,
            "this server accepts encrypted connections only: use TLS",
        )
        .with_code(sqlstate::INVALID_AUTHORIZATION);
        return hello.refuse(&refusal, Kind::Tls).await;
    }
    let Some(rules) = rules else {
        let refusal = Refusal::new(Reason::Unavailable, "this listener is being changed: try again");
        return hello.refuse(&refusal, Kind::Config).await;
    };
    if visits {
        let door = Door {
            listener: &listener.name,
            is_own_user,
            leaving,
        };
        return visit(postgres, hello, &rules, startup, door).await;
    }
    seat(postgres, hello, &rules, &listener.name, startup).await
}

/// Route, login, and the word to the core.
async fn seat(
    postgres: &Postgres,
    mut hello: Hello,
    rules: &ListenerRules,
    listener: &Arc<str>,
    startup: Startup,
) -> Result<Admitted, SessionError> {
    let version = hello.agree(&startup).await?;
    let mut route = match find_route(rules, &startup, &hello) {
        Ok(route) => route,
        Err(refusal) => return hello.refuse(&refusal, Kind::Login).await,
    };
    let proven = match log_in(postgres, &mut hello, rules, listener, &startup, &route).await? {
        Answerer::Proven(proven) => proven,
        Answerer::Refused(refusal) => return hello.refuse(&refusal, Kind::Login).await,
        Answerer::Gone => {
            hello.newcomer().ends(&Farewell::Left);
            return Ok(Admitted::Finished);
        }
    };
    if postgres.orders().disables(&route.cluster, &route.database) {
        let text = format!("database \"{}\" does not allow connections", startup.database());
        return hello
            .refuse(&Refusal::new(Reason::Unavailable, text), Kind::Unavailable)
            .await;
    }
    // Behind the login: who has not shown who it is takes no place of the user's, and learns nothing of the others.
    let plan = postgres.plan();
    let permits = match take_seats(postgres, rules, &plan, &route) {
        Ok(permits) => permits,
        Err(refusal) => return hello.refuse(&refusal, Kind::Limit).await,
    };
    // Where the cluster has a user of its own, all that come share its pools.
    let user = plan.user_at(&route.cluster).map(str::to_owned);
    let user = user.filter(|user| *user != route.user);
    let user = user.map(|of_pool| std::mem::replace(&mut route.user, of_pool).into_boxed_str());
    let home = postgres.home(&route);
    let mut settings = settings_of(&startup);
    if rules.application_name_add_host {
        add_host(&mut settings, &hello.peer.to_string());
    }
    let client = Client {
        is_tls: hello.stream.tls().is_some(),
        peer: hello.peer.to_string(),
        stream: hello.stream.park().map_err(|error| SessionError::downstream(&error))?,
        early: hello.held.into_boxed_slice(),
        last_words: proven.last_words,
        version,
        listener: Arc::clone(listener),
        settings,
        credential: proven.credential,
        manners: rules.manners,
        notice: rules.login_notice.clone(),
        user,
        route,
        permits,
    };
    Ok(Admitted::Client {
        home,
        client: Box::new(client),
    })
}

/// Sends a cancel to the core that its key names, on this gateway or on another. It is answered by closing the connection,
/// whether it hit or not, once it can hit no more.
async fn forward_cancel(postgres: &Postgres, cores: &Cores, protocol: usize, process: i32, secret: Vec<u8>) {
    let (process, is_sent_on) = CancelAddress::received(process);
    let Some(address) = CancelAddress::decode(process) else {
        return;
    };
    let node = address.node();
    if node != postgres.node() {
        if let Some(peer) = postgres.plan().peers.get(node).filter(|_| !is_sent_on) {
            let sent = peer.send(process, &secret).await;
            postgres.families().peer_cancel(node, sent.is_ok());
            if let Err(error) = sent {
                tracing::warn!(peer = node, %error, "cannot send a cancel on to the gateway that it is meant for");
            }
        }
        return;
    }
    let (canceller, done) = oneshot::channel();
    let request = CancelRequest {
        process,
        secret,
        canceller,
    };
    cores
        .deliver(usize::from(address.core()), protocol, Box::new(request))
        .await;
    // Who hears the end may ask for the next thing: the cancel does not hit that any more.
    let _done = done.await;
}

impl Hello {
    /// Reads until the client says what it wants; TLS begins where it asks for it.
    async fn wish(&mut self, tls: Option<&tidegate_net::tls::Acceptor>) -> Result<Wish, SessionError> {
        let mut requests = 0;
        loop {
            let (first, length) = match First::read(&self.held) {
                Ok(first) => first,
                Err(error) => {
                    let refusal = Refusal::new(Reason::Invalid, error.to_string()).with_code(error.sqlstate());
                    return self.refuse(&refusal, Kind::Protocol).await.map(|_| Wish::Nothing);
                }
            };
            match first {
                First::Incomplete => {
                    if self.held.len() > MAX_STARTUP_LEN || !self.read().await? {
                        return Ok(Wish::Nothing);
                    }
                    continue;
                }
                First::Cancel { process, secret } => {
                    let secret = secret.to_vec();
                    return Ok(Wish::Cancel { process, secret });
                }
                First::Startup(startup) => {
                    self.held.drain(..length);
                    return Ok(Wish::Start(startup));
                }
                First::DirectTls => self.direct_tls(tls).await?,
                First::Ssl => self.ssl_request(tls, length).await?,
                First::Gss => {
                    self.held.drain(..length);
                    self.say(b"N").await?;
                }
            }
            requests += 1;
            if requests > MOST_REQUESTS {
                return Err(protocol("too many encryption requests"));
            }
        }
    }

    /// PostgreSQL 17: TLS without asking, which must agree on ALPN `postgresql` (55.2.11).
    async fn direct_tls(&mut self, tls: Option<&tidegate_net::tls::Acceptor>) -> Result<(), SessionError> {
        let Some(tls) = tls.filter(|_| self.identity.is_none()) else {
            return Err(protocol("a TLS handshake where none is possible"));
        };
        let early = std::mem::take(&mut self.held);
        let identity = tls.accept(&mut self.stream, &early).await?;
        if identity.alpn.as_deref() != Some(b"postgresql") {
            return Err(SessionError::new(
                Origin::Downstream,
                Kind::Tls,
                "direct TLS without ALPN protocol `postgresql`",
            ));
        }
        self.identity = Some(identity);
        Ok(())
    }

    async fn ssl_request(
        &mut self,
        tls: Option<&tidegate_net::tls::Acceptor>,
        length: usize,
    ) -> Result<(), SessionError> {
        if self.held.len() > length {
            // Bytes from before the handshake would be taken for the client's own afterwards (CVE-2021-23214).
            return Err(protocol("bytes behind an SSLRequest, before the handshake"));
        }
        self.held.clear();
        let Some(tls) = tls.filter(|_| self.identity.is_none() && self.peer.ip().is_some()) else {
            return self.say(b"N").await;
        };
        self.say(b"S").await?;
        self.identity = Some(tls.accept(&mut self.stream, &[]).await?);
        Ok(())
    }

    /// Agrees on a version of the protocol, and says so where the client asked for another.
    pub(super) async fn agree(&mut self, startup: &Startup) -> Result<Version, SessionError> {
        let (version, must_say) = startup.negotiate();
        if must_say {
            let mut out = Vec::new();
            backend::negotiate_protocol_version(&mut out, version, startup.protocol_options());
            self.say(&out).await?;
        }
        Ok(version)
    }

    /// Reads some more; `false` at the end of the stream.
    pub(super) async fn read(&mut self) -> Result<bool, SessionError> {
        match self.stream.read_some(&mut self.held, READ).await {
            Ok(0) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(SessionError::downstream(&error)),
        }
    }

    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.stream
            .write_all(bytes)
            .await
            .map_err(|error| SessionError::downstream(&error))
    }

    /// Who it is, for the log.
    pub(super) fn newcomer(&self) -> Newcomer<'_> {
        Newcomer {
            peer: &self.peer,
            database: &self.asked.0,
            user: &self.asked.1,
            since: self.since,
            proof: self.proof,
        }
    }

    /// Turns the client away in PostgreSQL's words.
    pub(super) async fn refuse(&mut self, refusal: &Refusal, kind: Kind) -> Result<Admitted, SessionError> {
        self.newcomer().ends(&Farewell::Told(Box::new(refusal.clone())));
        let mut out = Vec::new();
        backend::refusal(&mut out, Severity::Fatal, refusal);
        self.say(&out).await?;
        self.stream.shutdown_write();
        Err(SessionError::new(Origin::Downstream, kind, refusal.text.clone()))
    }
}

pub(super) fn protocol(text: &'static str) -> SessionError {
    SessionError::new(Origin::Downstream, Kind::Protocol, text)
}
