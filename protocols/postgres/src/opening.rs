use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tidegate_base::Refusal;
use tidegate_net::Stream;
use tidegate_postgres_wire::login::Credential;

use crate::dial::{self, Order};
use crate::group::{EndpointPool, Group, Opener, RENEWED};
use crate::hub::LineView;
use crate::plan::ClusterRules;
use crate::room::PostgresRoom;
use crate::server::{Need, Server, unavailable};
use crate::settings::Settings;
use crate::told::Opened;

impl PostgresRoom {
    /// Opens connections for as long as a pool wants some.
    pub(crate) fn open_wanted(self: &Rc<Self>, group: &Rc<Group>, pool: &EndpointPool, verbose: bool) {
        while let Some(need) = pool.pool.take_order(Instant::now()) {
            let place = match self.place(group) {
                Some(place) => Ok(place),
                // Nobody waits: it is not worth anybody's connection. Or one is waited for already: whoever gets it asks for the next.
                None if need.is_none() || !pool.claims.borrow().is_empty() => return pool.pool.withdraw(),
                None => Err(self.claim_place(group, pool)),
            };
            let rules = group.rules();
            let started = need.map_or_else(|| self.started(&rules), |need: Need| need.started);
            let (room, group, pool) = (Rc::clone(self), Opener::new(group), pool.clone());
            tokio::task::spawn_local(async move {
                let place = match place {
                    Ok(place) => place,
                    Err(pending) => {
                        let Some(place) = pool.wait_for_place(&pending).await else {
                            return;
                        };
                        room.open_wanted(&group, &pool, verbose);
                        place
                    }
                };
                if !pool.pool.needs_opening() {
                    return pool.pool.withdraw();
                }
                let order = room.order(&group.rules(), &group, &pool, &started, verbose);
                let dialled = Instant::now();
                let postgres = Arc::clone(&room.postgres);
                let opening = room.core.login.spawn({
                    let order = order.clone();
                    async move { dial::open(&order, postgres.salted()).await }
                });
                let outcome = match opening.await {
                    Ok(Ok(opened)) => opened
                        .stream
                        .adopt()
                        .map(|stream| (stream, opened.ready, opened.begun))
                        .map_err(|_| (unavailable("out of sockets"), true)),
                    Ok(Err(error)) => {
                        tracing::warn!(name: "server not opened", cluster = %group.route.cluster,
                            endpoint = %order.endpoint.address, database = %order.database, user = %order.user,
                            refused = error.is_refusal(), %error, "cannot open a server connection");
                        Err((error.refusal(&order.endpoint, order.verbose), error.is_servers_fault()))
                    }
                    Err(_) => Err((unavailable("the gateway is going down"), false)),
                };
                let now = Instant::now();
                match outcome {
                    Ok((stream, ready, begun)) => {
                        group.metrics.connect_time.record(dialled.elapsed());
                        let base = begun.set.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                        let begins = (started, room.settings.intern(base));
                        let mut server = Server::new(stream, ready, begins, Arc::clone(&pool.endpoint), place, now);
                        server.has_begun = !order.rules.connect_query.is_empty();
                        server.begun_pins = begun.pins;
                        let lifetime = group.limits().max_lifetime;
                        server.told = Opened::tell(&group.route, &pool.endpoint.address, lifetime);
                        // All are made anew since, perhaps by other rules.
                        room.plan();
                        if group.is_leaving(dialled) {
                            group.close(vec![Box::new(server)], RENEWED);
                            pool.pool.withdraw();
                            return room.open_wanted(&group, &pool, verbose);
                        }
                        group.learn_greeting(&server);
                        pool.pool.opened(Box::new(server), now);
                        room.make_room(&group, &pool);
                    }
                    Err((refusal, may_pass)) => {
                        group.metrics.connect_failures.inc();
                        pool.pool.not_opened(&refusal, may_pass, now);
                    }
                }
            });
        }
    }

    /// What a connection is opened with that no client waits for.
    fn started(&self, rules: &ClusterRules) -> Rc<Settings> {
        let parameters = rules.parameters.iter();
        // As for clients: the name is SET.
        let parameters = parameters.filter(|(name, _)| !name.eq_ignore_ascii_case("application_name"));
        self.settings
            .intern(parameters.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Opens a connection that listens, beside the pools.
    pub(crate) async fn open_line(&self, group: &Group, started: &Settings) -> Result<(Stream, LineView), Refusal> {
        let now = Instant::now();
        // It is nobody's in particular.
        let pool = group.pick(now, "")?;
        let order = self.order(&group.rules(), group, &pool, started, false);
        let postgres = Arc::clone(&self.postgres);
        let endpoint = Arc::clone(&order.endpoint);
        let opening = self.core.login.spawn({
            let order = order.clone();
            async move { dial::open(&order, postgres.salted()).await }
        });
        let opened = match opening.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                tracing::warn!(cluster = %group.route.cluster, endpoint = %endpoint.address, %error,
                    "cannot open the connection that listens");
                return Err(error.refusal(&endpoint, false));
            }
            Err(_) => return Err(unavailable("the gateway is going down")),
        };
        let stream = opened.stream.adopt().map_err(|_| unavailable("out of sockets"))?;
        let view = LineView {
            endpoint,
            process: opened.ready.process,
            is_tls: stream.tls().is_some(),
            opened: now,
        };
        Ok((stream, view))
    }

    fn order(
        &self,
        rules: &Arc<ClusterRules>,
        group: &Group,
        pool: &EndpointPool,
        started: &Settings,
        verbose: bool,
    ) -> Order {
        let user = rules
            .credential
            .as_ref()
            .map_or(&group.route.user, |credential| &credential.user);
        let credential = match rules.password() {
            Some(password) => Credential::Password(password.clone()),
            None => group.credential(),
        };
        Order {
            rules: Arc::clone(rules),
            endpoint: Arc::clone(&pool.endpoint),
            database: group.route.database.clone(),
            user: user.clone(),
            credential,
            parameters: started
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            verbose,
        }
    }
}
