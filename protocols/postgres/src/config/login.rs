use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Period, Secret};

/// How clients prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Login {
    /// What a client must show, where there are no `rules`.
    pub method: LoginMethod,
    /// Who may come in and how, as in `pg_hba.conf`: the first rule that holds decides, and a client for which none holds
    /// is refused. Without rules everybody may, by `method`.
    #[schemars(length(min = 1))]
    pub rules: Option<Vec<LoginRule>>,
    /// Which users of the system, or names of certificates, may be which users, as in `pg_ident.conf`: lists by name, for
    /// the `map` of rules.
    pub maps: BTreeMap<String, Vec<SystemUser>>,
    /// Users, by name. They come before `user_file` and `query`.
    pub users: BTreeMap<String, User>,
    /// A file with lines of `"user" "secret"`, as PgBouncer's `auth_file`; read again when it changes.
    pub user_file: Option<PathBuf>,
    /// Asks a database for users who are found nowhere else.
    pub query: Option<Box<LoginQuery>>,
    /// Refuse users whom `users`, `user_file` and `query` do not know also where no password is asked for (`trust`, `cert`,
    /// `peer`).
    pub known_users_only: bool,
}

/// What a client must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// Nothing: for a Unix socket or a network where everyone is trusted.
    Trust,
    /// The password in the clear; use it with TLS only.
    Password,
    /// The password's MD5 hash; for clients that know nothing better.
    Md5,
    /// A proof of the password (SCRAM), bound to the TLS channel where both sides can.
    #[default]
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// A client certificate of which the common name or an alternative name is the user.
    Cert,
    /// Nothing: the system says which of its users the client is, and that is the user. For Unix sockets.
    Peer,
    /// Whatever it shows, the client is refused.
    Reject,
}

/// One rule of who may come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRule {
    /// What the log calls it; its number, from 0, when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Which clients it is about; all when absent.
    #[serde(default, rename = "match")]
    pub matches: LoginMatch,
    /// What these clients must show.
    pub method: LoginMethod,
    /// The list of `login.maps` that says who may be whom, for `cert` and `peer`; the names must be the same when absent.
    #[serde(default)]
    pub map: Option<String>,
}

/// Which clients a rule is about; everything that is given must hold. Names are taken as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoginMatch {
    /// What they come over; anything when absent.
    pub connection: Option<LoginConnection>,
    /// The databases that they ask for; all when empty.
    pub databases: Vec<String>,
    /// Only who asks for the database that is called as the user.
    pub database_is_user: bool,
    /// The users that they name; all when empty.
    pub users: Vec<String>,
    /// Their addresses: IP addresses or networks such as `10.0.0.0/8`; all when empty. Never holds for a Unix socket.
    pub addresses: Vec<String>,
    /// Connections for physical replication, which belong to no database; only others when false.
    pub replication: bool,
}

/// What a client comes over, in the words of `pg_hba.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoginConnection {
    /// A Unix socket.
    Local,
    /// TCP, with TLS or without.
    Host,
    /// TCP with TLS.
    HostSsl,
    /// TCP without TLS.
    HostNoSsl,
}

/// Who may be whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemUser {
    /// The user of the system, or a name of the certificate.
    pub system: String,
    /// The user that it may be; any when absent.
    #[serde(default)]
    pub user: Option<String>,
}

/// A user that the gateway knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// The password, its MD5 hash (`md5…`) or its SCRAM verifier (`SCRAM-SHA-256$…`).
    pub password: Option<Secret>,
    /// The databases that this user may ask for; all when empty.
    pub databases: Vec<String>,
    /// The methods that this user may log in by; the listener's own when empty.
    pub methods: Vec<LoginMethod>,
    /// Whether this user may log in at all.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// Asks a database for users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginQuery {
    /// The cluster to ask; the one that the client goes to when absent.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The database to ask in. When absent, `postgres` if `cluster` is given, and else the one that the client goes to.
    #[serde(default)]
    pub database: Option<String>,
    /// The user to ask as.
    pub user: String,
    /// That user's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A statement with one parameter, the user's name, that returns name and secret.
    #[serde(default = "user_lookup")]
    pub statement: String,
    /// How long an answer is good for.
    #[serde(default = "ten_seconds")]
    pub cache: Period,
}

fn yes() -> bool {
    true
}

fn ten_seconds() -> Period {
    Period::seconds(10)
}

fn user_lookup() -> String {
    "SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin".to_owned()
}
