use std::collections::{BTreeMap, BTreeSet};

use crate::hba::{Connection, Method, Names, Rule};
use crate::ident::Mapping;
use crate::network::Network;
use crate::place::{Notes, Place};

/// Who comes in at a listener, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    /// Tidegate's `login.method`.
    pub(crate) method: &'static str,
    /// Who is let in; everybody when there is no list.
    pub(crate) grants: Option<Vec<Grant>>,
    /// Users who are let in from nowhere.
    pub(crate) disabled: BTreeSet<String>,
    /// What the rules make of TLS.
    pub(crate) tls: Tls,
}

/// What clients of a listener may or must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    Allowed,
    /// The flag says whether certificates are checked.
    Always {
        checked: bool,
    },
}

/// Clients who are let in. What is absent holds for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) databases: Option<BTreeSet<String>>,
    pub(crate) user: Option<String>,
    pub(crate) network: Option<Network>,
    pub(crate) certificate: Option<String>,
}

impl Access {
    /// The same for everybody.
    pub(crate) fn of_method(method: &'static str, tls: Tls) -> Self {
        Self {
            method,
            grants: None,
            disabled: BTreeSet::new(),
            tls,
        }
    }

    /// What the rules of an HBA file mean at a listener. Where they cannot be said exactly, they become stricter, with a
    /// warning; where that cannot be either, it is a mistake, so that nobody comes in whom PgBouncer turns away.
    pub(crate) fn of_rules(
        rules: &[Rule],
        maps: &BTreeMap<String, Vec<Mapping>>,
        is_local: bool,
        tls: Tls,
        notes: &mut Notes,
    ) -> Self {
        let mut rules: Vec<&Rule> = rules
            .iter()
            .filter(|rule| (rule.connection == Connection::Local) == is_local)
            .collect();
        let tls = if is_local {
            tls
        } else {
            settle_tls(&mut rules, tls, notes)
        };
        let disabled = settle_rejects(&mut rules, tls, notes);
        check_maps(&rules, notes);
        let method = settle_method(&rules, notes);
        let mut grants = Vec::new();
        for rule in rules {
            add_grants(rule, maps, &mut grants, notes);
        }
        Self {
            method,
            grants: Some(grants),
            disabled,
            tls,
        }
    }
}

/// Leaves rules in which the connection counts no more, as all of them are with TLS, or all without.
fn settle_tls(rules: &mut Vec<&Rule>, tls: Tls, notes: &mut Notes) -> Tls {
    let tls = match tls {
        Tls::Allowed => one_kind(rules, notes),
        settled => settled,
    };
    match tls {
        Tls::Never => rules.retain(|rule| rule.connection != Connection::HostSsl),
        Tls::Always { .. } => rules.retain(|rule| rule.connection != Connection::HostNoSsl),
        Tls::Allowed => {}
    }
    tls
}

/// Whether only clients with TLS, or only those without, are ever let in.
fn one_kind(rules: &[&Rule], notes: &mut Notes) -> Tls {
    let is_everybody = |rule: &Rule| rule.databases.all && rule.users.all && rule.network.is_none();
    let first_reject = |connection| {
        let first = rules.first();
        first.is_some_and(|rule| rule.method == Method::Reject && rule.connection == connection && is_everybody(rule))
    };
    let lets_in = |rule: &&&Rule| rule.method != Method::Reject;
    let mut accepts = rules.iter().filter(lets_in).map(|rule| rule.connection);
    let only = |connection| rules.iter().filter(lets_in).all(|rule| rule.connection == connection);
    if first_reject(Connection::HostNoSsl) || (only(Connection::HostSsl) && accepts.next().is_some()) {
        return Tls::Always { checked: false };
    }
    if first_reject(Connection::HostSsl) || (only(Connection::HostNoSsl) && accepts.next().is_some()) {
        return Tls::Never;
    }
    for rule in rules.iter().filter(|rule| rule.connection != Connection::Host) {
        let message = "rules with TLS beside rules without cannot be had, as the method and the routes of a listener are the \
                       same for both: write all as `host`, or all as `hostssl`";
        notes.wrong(&rule.place, message);
    }
    Tls::Allowed
}

/// Takes out the rules that refuse, and those that nobody can pass; returns the users who are refused everywhere.
fn settle_rejects(rules: &mut Vec<&Rule>, tls: Tls, notes: &mut Notes) -> BTreeSet<String> {
    let refuses: Vec<bool> = rules.iter().map(|rule| refuses(rule, tls, notes)).collect();
    let mut disabled = BTreeSet::new();
    for (at, rule) in rules.iter().enumerate().filter(|(at, _)| refuses[*at]) {
        let meets = |other: &usize| !refuses[*other] && may_meet(rule, rules[*other]);
        if !(at + 1..rules.len()).any(|other| meets(&other)) {
            continue;
        }
        let is_everywhere = rule.network.is_none_or(|network| network.is_everywhere());
        let are_named = !rule.users.all && !rule.users.same;
        if is_everywhere && are_named && rule.databases.all && !(0..at).any(|other| meets(&other)) {
            if rule.network.is_some() {
                notes.warn(
                    &rule.place,
                    "these users are refused from every address, of IPv4 and of IPv6",
                );
            }
            disabled.extend(rule.users.listed.iter().cloned());
            continue;
        }
        let message = "to refuse clients before a rule that lets them in cannot be had, but for named users in all databases from all \
                       addresses: name those who may come in instead, as everybody else is refused";
        notes.wrong(&rule.place, message);
    }
    let mut at = 0..;
    rules.retain(|_| at.next().is_some_and(|at| !refuses[at]));
    disabled
}

/// Whether nobody passes a rule.
fn refuses(rule: &Rule, tls: Tls, notes: &mut Notes) -> bool {
    let why = match rule.method {
        Method::Reject => return true,
        Method::Ldap => "there is no LDAP: these clients are refused",
        Method::Cert if tls != (Tls::Always { checked: true }) => {
            "certificates are checked with `client_tls_sslmode = verify-full` only: these clients are refused"
        }
        _ => return false,
    };
    notes.warn(&rule.place, why);
    true
}

/// Whom a map refuses, a later rule must not let in.
fn check_maps(rules: &[&Rule], notes: &mut Notes) {
    for (at, rule) in rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.map.is_some() && rule.method == Method::Cert)
    {
        if rules[at + 1..].iter().any(|other| may_meet(rule, other)) {
            let message = "a `map` before a rule that lets the same clients in cannot be had: make the rules apart";
            notes.wrong(&rule.place, message);
        }
    }
}

fn may_meet(one: &Rule, other: &Rule) -> bool {
    let networks = match (&one.network, &other.network) {
        (Some(one), Some(other)) => one.may_meet(other),
        _ => true,
    };
    networks && one.databases.may_meet(&other.databases) && one.users.may_meet(&other.users)
}

/// A listener has one method. Those of password prove more than `trust`, and all of them suit what is stored.
fn settle_method(rules: &[&Rule], notes: &mut Notes) -> &'static str {
    let all = |method| rules.iter().all(|rule| rule.method == method);
    let proofs = |method| {
        let mut others = rules
            .iter()
            .filter(|rule| !matches!(rule.method, Method::Trust | Method::Peer | Method::Cert));
        let is_any = others.next().is_some_and(|first| first.method == method);
        is_any && others.all(|rule| rule.method == method)
    };
    let method = match rules {
        [] => return "scram-sha-256",
        [first, ..] if all(Method::Trust) => {
            trusting(&first.place, notes);
            return "trust";
        }
        _ if all(Method::Cert) => return "cert",
        _ if proofs(Method::Password) => "password",
        _ if proofs(Method::Scram) => "scram-sha-256",
        // It asks users with a SCRAM verifier by SCRAM, and so suits whatever is stored.
        _ => "md5",
    };
    for rule in rules {
        let asked = rule.method.name();
        let same = asked == method || (method == "md5" && matches!(rule.method, Method::Scram | Method::Password));
        if !same {
            let text =
                format!("`{asked}`: a listener has one method, and these clients are asked for a password ({method})");
            notes.warn(&rule.place, text);
        }
    }
    method
}

/// What `trust` means here.
pub(crate) fn trusting(place: &Place, notes: &mut Notes) {
    let text = "`trust` lets in whoever names any user, where PgBouncer wants the user to be in the `auth_file`; the server still has \
                its own say";
    notes.warn(place, text);
}

fn add_grants(rule: &Rule, maps: &BTreeMap<String, Vec<Mapping>>, grants: &mut Vec<Grant>, notes: &mut Notes) {
    let Names { all, same, listed } = &rule.users;
    if *same {
        notes.warn(
            &rule.place,
            "`sameuser` among the users is left out: those whom it means are refused",
        );
    }
    let users: Vec<Option<&String>> = if *all {
        vec![None]
    } else {
        listed.iter().map(Some).collect()
    };
    for user in users {
        let databases = if rule.databases.all {
            None
        } else {
            let mut databases = rule.databases.listed.clone();
            match user {
                Some(user) if rule.databases.same => drop(databases.insert(user.clone())),
                None if rule.databases.same => {
                    let text = "`sameuser` for all users is left out, as a route has no such condition: those whom it means are refused";
                    notes.warn(&rule.place, text);
                }
                _ => {}
            }
            Some(databases)
        };
        let grant = Grant {
            databases,
            user: user.cloned(),
            network: rule.network,
            certificate: None,
        };
        match rule.map.as_ref().filter(|_| rule.method == Method::Cert) {
            None => grants.push(grant),
            Some(map) => add_mapped(rule, maps.get(map), &grant, grants, notes),
        }
    }
}

/// Of a map of certificates those lines hold in which the certificate's name is the user's.
fn add_mapped(rule: &Rule, map: Option<&Vec<Mapping>>, grant: &Grant, grants: &mut Vec<Grant>, notes: &mut Notes) {
    for mapping in map.into_iter().flatten() {
        let user = mapping.user.as_ref().unwrap_or(&mapping.system);
        if *user != mapping.system {
            let text = format!(
                "the map lets a certificate of `{}` be `{user}`, which cannot be had: the names must be the same, and such clients are refused",
                mapping.system
            );
            notes.warn(&rule.place, text);
        } else if grant.user.as_ref().is_none_or(|wanted| wanted == user) {
            grants.push(Grant {
                user: Some(user.clone()),
                certificate: Some(user.clone()),
                ..grant.clone()
            });
        }
    }
}
