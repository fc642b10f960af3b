use std::collections::BTreeMap;

use tidegate_base::Address;
use tidegate_net::{ClientAuth, TlsMode};

use super::{PlanMistake, mistake};
use crate::config::{LoginMethod, LoginQuery, PostgresCluster, PostgresListener};
use crate::login_rules::{LoginRules, Rule};

/// The rules of a listener, and whether what they ask for can be had there. `path` leads to its `login`.
pub(super) fn rules(
    config: &PostgresListener,
    path: &str,
    clusters: &BTreeMap<String, PostgresCluster>,
    mistakes: &mut Vec<PlanMistake>,
) -> LoginRules {
    let login = &config.login;
    let names: Vec<_> = clusters.keys().cloned().collect();
    check_query(login.query.as_deref(), &format!("{path}.query"), &names, mistakes);
    let rules = LoginRules::build(login).unwrap_or_else(|wrong| {
        mistakes.extend(wrong.into_iter().map(|wrong| PlanMistake {
            path: format!("{path}.{}", wrong.path),
            message: wrong.message,
            candidates: wrong.candidates,
        }));
        LoginRules::default()
    });
    let knows = !login.users.is_empty() || login.user_file.is_some() || login.query.is_some();
    let is_known = knows || clusters.values().any(|cluster| cluster.login_query.is_some());
    let open: Vec<_> = rules
        .iter()
        .map(Rule::method)
        .filter(|method| *method != LoginMethod::Reject)
        .collect();
    let asks_nothing =
        |method: &LoginMethod| matches!(method, LoginMethod::Trust | LoginMethod::Cert | LoginMethod::Peer);
    let is_free = !login.known_users_only && open.iter().any(asks_nothing);
    if !is_known && !is_free && !open.is_empty() {
        let message = "nobody can log in: give `users`, `user_file` or `query`, or choose method `trust`";
        mistakes.push(mistake(path.to_owned(), &message, &[]));
    }
    check_methods(config, &rules, path, mistakes);
    rules
}

/// Methods that need something of the listener itself.
fn check_methods(config: &PostgresListener, rules: &LoginRules, path: &str, mistakes: &mut Vec<PlanMistake>) {
    let tls = &config.common.tls;
    let asks = tls.mode != TlsMode::Disable && tls.client_auth != ClientAuth::None && tls.client_ca.is_some();
    let is_unix = matches!(config.common.address, Address::Unix(_));
    for (at, rule) in rules.iter().enumerate() {
        let path = match config.login.rules {
            None => format!("{path}.method"),
            Some(_) => format!("{path}.rules.{at}.method"),
        };
        match rule.method() {
            LoginMethod::Cert if !asks => {
                let message =
                    "method `cert` needs TLS that asks for one: `tls.mode`, `tls.client_ca` and `tls.client_auth`";
                mistakes.push(mistake(path, &message, &[]));
            }
            LoginMethod::Peer if !is_unix && rule.meets_tcp() => {
                let message = "method `peer` needs a Unix socket: the system vouches for nobody else";
                mistakes.push(mistake(path, &message, &[]));
            }
            LoginMethod::Reject if config.login.rules.is_none() => {
                let message = "method `reject` would let nobody in: it is for `rules`";
                mistakes.push(mistake(path, &message, &[]));
            }
            _ => {}
        }
    }
}

/// Whether the cluster that a query names is there.
pub(super) fn check_query(
    query: Option<&LoginQuery>,
    path: &str,
    clusters: &[String],
    mistakes: &mut Vec<PlanMistake>,
) {
    let name = query.and_then(|query| query.cluster.as_ref());
    if let Some(name) = name.filter(|name| !clusters.contains(name)) {
        let message = format!("there is no cluster `{name}`");
        mistakes.push(mistake(format!("{path}.cluster"), &message, clusters));
    }
}
