//! `login.method: server`: the server itself says whether a client is who it says it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::digest::{SHA256, digest};
use tidegate_base::Secret;
use tidegate_net::NetError;
use tidegate_redis_wire::request;

use crate::dial::{self, DialError};
use crate::login;
use crate::plan::ClusterRules;

/// Who a client is at the server, and by what it proves it. Connections that are opened with it are for clients with the
/// same one only.
#[derive(Debug)]
pub(crate) struct Credential {
    /// Tells it from all others there ever were: the same user with the same password has the same one.
    pub(crate) id: u64,
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// The credentials of the clients that are there now. Looked at on login threads only, once for each login.
#[derive(Debug, Default)]
pub(crate) struct Credentials(Mutex<Interned>);

#[derive(Debug, Default)]
struct Interned {
    last: u64,
    known: HashMap<(String, [u8; 32]), Weak<Credential>>,
    /// At so many it is looked for those that nobody has any more.
    sweep_at: usize,
}

/// Fewer are not worth a look.
const SWEEP_AT_LEAST: usize = 64;

impl Credentials {
    /// The credential of this user with this password. There are never more than twice as many as clients, or a few.
    pub(crate) fn intern(&self, user: String, password: Secret) -> Arc<Credential> {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, password.reveal().as_bytes()).as_ref());
        let key = (user, hash);
        // A login thread that panicked left nothing half done here.
        let mut interned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credential) = interned.known.get(&key).and_then(Weak::upgrade) {
            return credential;
        }
        if interned.known.len() >= interned.sweep_at {
            interned.known.retain(|_, credential| credential.strong_count() > 0);
            interned.sweep_at = (interned.known.len() * 2).max(SWEEP_AT_LEAST);
        }
        interned.last += 1;
        let credential = Arc::new(Credential {
            id: interned.last,
            user: key.0.clone(),
            password,
        });
        interned.known.insert(key, Arc::downgrade(&credential));
        credential
    }
}

/// Asks a server, on a connection of its own, whether this is a password of the user's. `Err` is the error to answer, in
/// the server's own words where it has some.
pub(crate) async fn ask(rules: &ClusterRules, user: &str, password: &Secret) -> Result<(), String> {
    // Those of the configuration may be sentinels.
    let layout = rules.atlas.layout();
    let mut primaries = layout.primaries().map(|node| &node.endpoint);
    let well = layout
        .primaries()
        .map(|node| &node.endpoint)
        .find(|endpoint| endpoint.is_well());
    let Some(endpoint) = well.or_else(|| primaries.next()) else {
        return Err("ERR the cluster has no endpoint at the moment; try again".to_owned());
    };
    let limit = rules.connect.timeout.duration();
    let attempt = async {
        let mut stream = dial::reach(rules, endpoint, limit).await?;
        let mut out = Vec::new();
        request::command(&mut out, &["AUTH", user, password.reveal()]);
        stream.write_all(&out).await.map_err(NetError::from)?;
        dial::next_reply(&mut stream, &mut Vec::new(), "AUTH", dial::MOST).await
    };
    match dial::within(limit, endpoint, attempt).await {
        Ok(_) => Ok(()),
        Err(DialError::Refused { text, .. }) => Err(text),
        Err(error) => {
            tracing::warn!(cluster = %rules.cluster.name, endpoint = %endpoint.address, %error, "cannot ask for a login");
            Err(login::words(&error.refusal()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde_json::json;
    use tidegate_cluster::Cluster;
    use tidegate_kit::{Flavour, Redis as Server};

    use super::*;
    use crate::config::RedisCluster;
    use crate::plan::{RedisPlan, targets};

    /// What is done with a cluster of one server.
    fn rules(address: &str) -> Arc<ClusterRules> {
        let config = json!({
            "endpoints": [{ "address": address }],
            "credential": { "password": "the gateway's own" },
            "connect": { "timeout": "2s" },
        });
        let config: RedisCluster = serde_json::from_value(config).unwrap();
        let cluster = Arc::new(Cluster::new(
            "app".to_owned(),
            config.balance.unwrap_or_default(),
            config.health,
        ));
        cluster.apply(&targets(&config));
        let clusters = BTreeMap::from([("app".to_owned(), config)]);
        let plan = RedisPlan::build(
            &BTreeMap::new(),
            &clusters,
            &HashMap::from([("app".to_owned(), cluster)]),
            HashMap::new(),
        );
        let rules = Arc::clone(&plan.unwrap().clusters["app"]);
        rules.adopt();
        rules
    }

    #[test]
    fn the_server_is_asked_and_answers_in_its_own_words() {
        const WRONG: &str = "WRONGPASS invalid username-password pair or user is disabled.";
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap();
        let ask = |rules: &ClusterRules, user: &str, password: &str| {
            runtime.block_on(ask(rules, user, &Secret::new(password)))
        };
        for flavour in Flavour::ALL {
            let server = Server::builder(flavour)
                .user("alice on >secret +get")
                .user("bob off >secret")
                .start();
            let rules = rules(&server.address().to_string());
            assert_eq!(ask(&rules, "alice", "secret"), Ok(()));
            for (user, password) in [("alice", "Secret"), ("bob", "secret"), ("carol", ""), ("", "secret")] {
                assert_eq!(ask(&rules, user, password), Err(WRONG.to_owned()), "{user}");
            }
        }
        let nobody = rules("127.0.0.1:1");
        assert!(
            ask(&nobody, "alice", "secret")
                .unwrap_err()
                .starts_with("ERR the server cannot be reached")
        );
    }

    fn intern(credentials: &Credentials, user: &str, password: &str) -> Arc<Credential> {
        credentials.intern(user.to_owned(), Secret::new(password))
    }

    #[test]
    fn the_same_user_with_the_same_password_is_one() {
        let credentials = Credentials::default();
        let one = intern(&credentials, "a", "x");
        assert!(Arc::ptr_eq(&one, &intern(&credentials, "a", "x")));
        for (user, password) in [("a", "y"), ("b", "x"), ("", "ax"), ("ax", "")] {
            let other = intern(&credentials, user, password);
            assert!(other.id != one.id && other.user == user && other.password.reveal() == password);
        }
        let id = one.id;
        drop(one);
        // A number is never given twice: what was opened for the last one may still be there.
        assert!(intern(&credentials, "a", "x").id > id);
    }

    #[test]
    fn those_of_clients_that_are_gone_are_forgotten() {
        let credentials = Credentials::default();
        let kept: Vec<_> = (0..100)
            .map(|number| intern(&credentials, "kept", &number.to_string()))
            .collect();
        for number in 0..10_000 {
            intern(&credentials, "gone", &number.to_string());
        }
        let known = credentials.0.lock().unwrap().known.len();
        assert!(known <= 2 * kept.len(), "{known}");
        assert!(
            kept.iter()
                .all(|one| Arc::ptr_eq(one, &intern(&credentials, "kept", one.password.reveal())))
        );
    }
}
