use std::sync::Arc;

use futures_util::FutureExt;
use tidegate_base::{Kind, Reason, Refusal};
use tidegate_cluster::Role;
use tidegate_engine::{Admitted, Leaving, SessionError};
use tidegate_postgres_wire::Startup;

use super::Route;
use super::greeting::Hello;
use super::login::{Answerer, log_in};
use crate::Postgres;
use crate::console::{IsOwnUser, Visitor, serve};
use crate::plan::ListenerRules;
use crate::told::{Farewell, Newcomer};

/// What else a visit to the console needs.
pub(super) struct Door<'d> {
    pub(super) listener: &'d Arc<str>,
    pub(super) is_own_user: IsOwnUser,
    pub(super) leaving: Leaving,
}

/// Login at the console, and the word to who answers there.
pub(super) async fn visit(
    postgres: &Postgres,
    mut hello: Hello,
    rules: &ListenerRules,
    startup: Startup,
    door: Door<'_>,
) -> Result<Admitted, SessionError> {
    let version = hello.agree(&startup).await?;
    let (Some(console), Some(database)) = (&rules.console, postgres.console()) else {
        let refusal = Refusal::new(Reason::Unavailable, "the console is not there yet; try again");
        return hello.refuse(&refusal, Kind::Unavailable).await;
    };
    let last_words = if door.is_own_user == IsOwnUser(true) {
        Vec::new()
    } else {
        let route = Route {
            cluster: Arc::from(""),
            role: Role::default(),
            database: startup.database().to_owned(),
            user: startup.user().to_owned(),
        };
        match log_in(postgres, &mut hello, rules, door.listener, &startup, &route).await? {
            Answerer::Proven(proven) => proven.last_words,
            Answerer::Refused(refusal) => return hello.refuse(&refusal, Kind::Login).await,
            Answerer::Gone => {
                hello.newcomer().ends(&Farewell::Left);
                return Ok(Admitted::Finished);
            }
        }
    };
    let asker = match console.admit(startup.user(), door.is_own_user) {
        Ok(asker) => asker,
        Err(refusal) => return hello.refuse(&refusal, Kind::Login).await,
    };
    let (peer, (database_name, user), since) = (hello.peer, hello.asked, hello.since);
    let visitor = Visitor {
        stream: hello.stream,
        held: hello.held,
        database: Arc::clone(database),
        asker,
        leaving: door.leaving,
        version,
        last_words,
    };
    let session = async move {
        let outcome = serve(visitor).await;
        let newcomer = Newcomer {
            peer: &peer,
            database: &database_name,
            user: &user,
            since,
            proof: "",
        };
        newcomer.ends(if outcome.is_ok() {
            &Farewell::Goodbye
        } else {
            &Farewell::Left
        });
        outcome
    };
    Ok(Admitted::Aside(session.boxed()))
}
