use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tidegate_cluster::{Cidr, PatternError};

use crate::config::{Login, LoginConnection, LoginMatch, LoginMethod, LoginRule, SystemUser};

/// Who may come in at a listener, and how: the first rule that holds decides.
#[derive(Debug, Default)]
pub struct LoginRules(Vec<Rule>);

/// A client, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// Its address; none for a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether it came with TLS.
    pub is_encrypted: bool,
    /// Whether it wants physical replication, and no database.
    pub is_replication: bool,
    /// The database that it asks for.
    pub database: &'a str,
    /// The user that it names.
    pub user: &'a str,
}

/// A rule that is ready.
#[derive(Debug)]
pub struct Rule {
    name: String,
    /// None holds for everybody.
    conditions: Option<Conditions>,
    method: LoginMethod,
    map: Option<Arc<[SystemUser]>>,
}

#[derive(Debug)]
struct Conditions {
    connection: Option<LoginConnection>,
    databases: Vec<String>,
    database_is_user: bool,
    users: Vec<String>,
    addresses: Vec<Cidr>,
    replication: bool,
}

/// What is wrong in `login`, and where: a path below it, as in `rules.0.map`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleMistake {
    /// The path.
    pub path: String,
    /// What, and what to do.
    pub message: String,
    /// The names that would be right.
    pub candidates: Vec<String>,
}

impl LoginRules {
    /// From configuration; reports every mistake. Without rules one stands for all: `login.method`.
    pub fn build(login: &Login) -> Result<Self, Vec<RuleMistake>> {
        let Some(rules) = &login.rules else {
            return Ok(Self(vec![Rule {
                name: "login.method".to_owned(),
                conditions: None,
                method: login.method,
                map: None,
            }]));
        };
        let mut wrong = Vec::new();
        let rules = rules.iter().enumerate();
        let rules = rules
            .map(|(at, rule)| Rule::build(at, rule, login, &mut wrong))
            .collect();
        if wrong.is_empty() { Ok(Self(rules)) } else { Err(wrong) }
    }

    /// The rule that decides about a client; none when nobody lets it in.
    pub fn decide(&self, applicant: &Applicant<'_>) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.holds(applicant))
    }

    /// The rules in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}

impl Rule {
    fn build(at: usize, rule: &LoginRule, login: &Login, wrong: &mut Vec<RuleMistake>) -> Self {
        let mut mistake = |key: &str, message: String, candidates: Vec<String>| {
            let path = format!("rules.{at}.{key}");
            wrong.push(RuleMistake {
                path,
                message,
                candidates,
            });
        };
        let is_mapped = matches!(rule.method, LoginMethod::Cert | LoginMethod::Peer);
        let map = rule.map.as_ref().and_then(|name| {
            if !is_mapped {
                mistake("map", "only `cert` and `peer` have a map".to_owned(), Vec::new());
            }
            let map = login.maps.get(name);
            if map.is_none() {
                let known = login.maps.keys().cloned().collect();
                mistake("map", format!("there is no map `{name}` in `login.maps`"), known);
            }
            map.map(|lines| Arc::from(lines.as_slice()))
        });
        let connection = rule.matches.connection;
        if rule.method == LoginMethod::Peer && connection.is_some_and(|kind| kind != LoginConnection::Local) {
            let message = "method `peer` needs a Unix socket: match `connection: local`";
            mistake("method", message.to_owned(), Vec::new());
        }
        let conditions = Conditions::build(&rule.matches, |at, error| {
            mistake(&format!("match.addresses.{at}"), error.to_string(), Vec::new());
        });
        Self {
            name: rule.name.clone().unwrap_or_else(|| at.to_string()),
            conditions: Some(conditions),
            method: rule.method,
            map,
        }
    }

    fn holds(&self, applicant: &Applicant<'_>) -> bool {
        self.conditions
            .as_ref()
            .is_none_or(|conditions| conditions.hold(applicant))
    }

    /// What the client must show.
    pub fn method(&self) -> LoginMethod {
        self.method
    }

    /// Whether somebody whom the system, or a certificate, calls by one of these names may be this user.
    pub fn admits(&self, names: &[&str], user: &str) -> bool {
        match &self.map {
            None => names.contains(&user),
            Some(map) => map.iter().any(|line| {
                names.contains(&line.system.as_str()) && line.user.as_ref().is_none_or(|wanted| wanted == user)
            }),
        }
    }

    /// Whether it can hold for clients of TCP.
    pub(crate) fn meets_tcp(&self) -> bool {
        let connection = self.conditions.as_ref().and_then(|conditions| conditions.connection);
        connection != Some(LoginConnection::Local)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

impl Conditions {
    fn build(wanted: &LoginMatch, mut mistake: impl FnMut(usize, PatternError)) -> Self {
        let addresses = wanted.addresses.iter().enumerate();
        let addresses = addresses.filter_map(|(at, text)| text.parse().map_err(|error| mistake(at, error)).ok());
        Self {
            connection: wanted.connection,
            databases: wanted.databases.clone(),
            database_is_user: wanted.database_is_user,
            users: wanted.users.clone(),
            addresses: addresses.collect(),
            replication: wanted.replication,
        }
    }

    fn hold(&self, applicant: &Applicant<'_>) -> bool {
        let Applicant {
            address,
            is_encrypted,
            is_replication,
            database,
            user,
        } = *applicant;
        let connection = match self.connection {
            None => true,
            Some(LoginConnection::Local) => address.is_none(),
            Some(LoginConnection::Host) => address.is_some(),
            Some(LoginConnection::HostSsl) => address.is_some() && is_encrypted,
            Some(LoginConnection::HostNoSsl) => address.is_some() && !is_encrypted,
        };
        let named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
        let network = |network: &Cidr| address.is_some_and(|address| network.contains(address));
        connection
            && self.replication == is_replication
            && named(&self.databases, database)
            && (!self.database_is_user || database == user)
            && named(&self.users, user)
            && (self.addresses.is_empty() || self.addresses.iter().any(network))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rule(matches: LoginMatch, method: LoginMethod) -> LoginRule {
        LoginRule {
            name: None,
            matches,
            method,
            map: None,
        }
    }

    fn login(rules: Vec<LoginRule>) -> Login {
        Login {
            rules: Some(rules),
            ..Login::default()
        }
    }

    const TCP: Applicant<'_> = Applicant {
        address: Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3))),
        is_encrypted: false,
        is_replication: false,
        database: "shop",
        user: "app",
    };
    const UNIX: Applicant<'_> = Applicant { address: None, ..TCP };
    const TLS: Applicant<'_> = Applicant {
        is_encrypted: true,
        ..TCP
    };

    /// Whom a rule is about, of these.
    #[track_caller]
    fn check(matches: &LoginMatch, expected: &[&str]) {
        let rules = LoginRules::build(&login(vec![rule(matches.clone(), LoginMethod::Trust)])).unwrap();
        let applicants = [
            ("tcp", TCP),
            ("tls", TLS),
            ("unix", UNIX),
            ("own", Applicant { database: "app", ..TCP }),
            ("other", Applicant { user: "other", ..TCP }),
            (
                "replication",
                Applicant {
                    is_replication: true,
                    ..TCP
                },
            ),
        ];
        let held = applicants
            .iter()
            .filter(|(_, applicant)| rules.decide(applicant).is_some());
        let held: Vec<_> = held.map(|(name, _)| *name).collect();
        assert_eq!(held, expected, "{matches:?}");
    }

    #[test]
    fn everything_that_is_given_must_hold() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let with = |connection| LoginMatch {
            connection: Some(connection),
            ..LoginMatch::default()
        };
        check(&LoginMatch::default(), &["tcp", "tls", "unix", "own", "other"]);
        check(&with(LoginConnection::Local), &["unix"]);
        check(&with(LoginConnection::Host), &["tcp", "tls", "own", "other"]);
        check(&with(LoginConnection::HostSsl), &["tls"]);
        check(&with(LoginConnection::HostNoSsl), &["tcp", "own", "other"]);
        check(
            &LoginMatch {
                databases: texts(&["shop", "x"]),
                users: texts(&["app"]),
                addresses: texts(&["::/0", "10.0.0.0/8"]),
                ..LoginMatch::default()
            },
            &["tcp", "tls"],
        );
        check(
            &LoginMatch {
                databases: texts(&["sh*"]),
                ..LoginMatch::default()
            },
            &[],
        );
        check(
            &LoginMatch {
                database_is_user: true,
                ..LoginMatch::default()
            },
            &["own"],
        );
        check(
            &LoginMatch {
                replication: true,
                ..LoginMatch::default()
            },
            &["replication"],
        );
    }

    #[test]
    fn the_first_that_holds_decides() {
        let users = |user: &str| LoginMatch {
            users: vec![user.to_owned()],
            ..LoginMatch::default()
        };
        let rules = LoginRules::build(&login(vec![
            rule(users("other"), LoginMethod::Reject),
            rule(users("app"), LoginMethod::Md5),
            rule(users("app"), LoginMethod::Trust),
        ]));
        let rules = rules.unwrap();
        let found = rules.decide(&TCP).map(|rule| (rule.to_string(), rule.method()));
        assert_eq!(found, Some(("1".to_owned(), LoginMethod::Md5)));
        assert!(rules.decide(&Applicant { user: "third", ..TCP }).is_none());
        let replication = Applicant {
            is_replication: true,
            ..TCP
        };
        let alone = LoginRules::build(&Login::default()).unwrap();
        assert_eq!(
            alone.decide(&replication).map(Rule::method),
            Some(LoginMethod::ScramSha256)
        );
    }

    #[test]
    fn maps_say_who_may_be_whom() {
        let line = |system: &str, user: Option<&str>| SystemUser {
            system: system.to_owned(),
            user: user.map(str::to_owned),
        };
        let mut mapped = rule(LoginMatch::default(), LoginMethod::Peer);
        mapped.map = Some("m".to_owned());
        let maps = BTreeMap::from([("m".to_owned(), vec![line("root", Some("app")), line("dba", None)])]);
        let login = Login {
            maps,
            ..login(vec![rule(LoginMatch::default(), LoginMethod::Cert), mapped.clone()])
        };
        let rules = LoginRules::build(&login).unwrap();
        let [plain, mapped_rule] = rules.0.as_slice() else {
            panic!("two rules")
        };
        assert!(plain.admits(&["x", "app"], "app") && !plain.admits(&["x"], "app") && !plain.admits(&[], ""));
        for (name, user, may) in [
            ("root", "app", true),
            ("root", "root", false),
            ("dba", "anybody", true),
            ("app", "app", false),
        ] {
            assert_eq!(mapped_rule.admits(&[name], user), may, "{name} as {user}");
        }
    }

    #[test]
    fn every_mistake_is_told() {
        let mut wrong = rule(
            LoginMatch {
                connection: Some(LoginConnection::HostSsl),
                addresses: vec!["10.0.0.0/8".to_owned(), "here".to_owned()],
                ..LoginMatch::default()
            },
            LoginMethod::Peer,
        );
        wrong.map = Some("none".to_owned());
        let mut password = rule(LoginMatch::default(), LoginMethod::Md5);
        password.map = Some("m".to_owned());
        let maps = BTreeMap::from([("m".to_owned(), Vec::new())]);
        let mistakes = LoginRules::build(&Login {
            maps,
            ..login(vec![wrong, password])
        });
        let mistakes = mistakes.expect_err("mistakes");
        let told: Vec<_> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
        assert_eq!(
            told,
            [
                "rules.0.map",
                "rules.0.method",
                "rules.0.match.addresses.1",
                "rules.1.map"
            ]
        );
        assert_eq!(mistakes[0].candidates, ["m"]);
    }
}
