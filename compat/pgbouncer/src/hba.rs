use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::files::{Files, beside};
use crate::ident::Mapping;
use crate::network::{Network, has_holes};
use crate::place::{Notes, Place};
use crate::tokens::{Token, tokens};

/// How deep a file of names may name files of names.
const DEEPEST: usize = 10;

/// A rule of an HBA file: who may come in, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) place: Place,
    pub(crate) connection: Connection,
    pub(crate) databases: Names,
    pub(crate) users: Names,
    /// None is every address.
    pub(crate) network: Option<Network>,
    pub(crate) method: Method,
    /// The identity map that `map=` names.
    pub(crate) map: Option<String>,
}

/// What kind of connection a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    Local,
    Host,
    HostSsl,
    HostNoSsl,
}

/// What a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Trust,
    Reject,
    Md5,
    Password,
    Peer,
    Cert,
    Scram,
    Ldap,
}

/// Which databases or users a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Names {
    pub(crate) all: bool,
    /// The database that is called as the user.
    pub(crate) same: bool,
    /// No database, but physical replication.
    pub(crate) replication: bool,
    pub(crate) listed: BTreeSet<String>,
}

impl Names {
    /// Whether `sameuser` says more than the others.
    pub(crate) fn is_same(&self) -> bool {
        self.same && !self.all
    }
}

const METHODS: [(&str, Method); 8] = [
    ("trust", Method::Trust),
    ("reject", Method::Reject),
    ("md5", Method::Md5),
    ("password", Method::Password),
    ("peer", Method::Peer),
    ("cert", Method::Cert),
    ("scram-sha-256", Method::Scram),
    ("ldap", Method::Ldap),
];

impl Method {
    pub(crate) fn name(self) -> &'static str {
        let found = METHODS.iter().find(|(_, method)| *method == self);
        found.map_or("", |(name, _)| name)
    }
}

/// The rules of a file. A line that is none is left out with a warning, as PgBouncer does (`hba.c`, `hba_load_rules`).
pub(crate) fn read(
    file: &Arc<str>,
    text: &str,
    maps: &BTreeMap<String, Vec<Mapping>>,
    files: &mut Files<'_>,
    notes: &mut Notes,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = Place::new(file, number + 1, 1);
        let tokens = tokens(line);
        if tokens.is_empty() {
            continue;
        }
        let mut reader = Reader {
            tokens: &tokens,
            place: &place,
            maps,
            files,
        };
        match reader.rule() {
            Ok(Some(rule)) => rules.push(rule),
            Ok(None) => notes.warn(
                &place,
                "this rule never holds, as its address has bits outside of its mask",
            ),
            Err(Fault::Line(message)) => {
                notes.warn(&place, format!("{message}; the line is left out, as PgBouncer does"));
            }
            Err(Fault::Mask(mask)) => notes.wrong(&place, format!("`{mask}`: a mask with holes cannot be had")),
        }
    }
    rules
}

/// Why a line is no rule.
enum Fault {
    /// PgBouncer does not understand it either.
    Line(String),
    /// PgBouncer knows such masks, and leaving one out might let somebody in.
    Mask(String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Line(message)
    }
}

struct Reader<'t, 'f, 'r> {
    tokens: &'t [Token],
    place: &'t Place,
    maps: &'t BTreeMap<String, Vec<Mapping>>,
    files: &'f mut Files<'r>,
}

impl Reader<'_, '_, '_> {
    fn rule(&mut self) -> Result<Option<Rule>, Fault> {
        let connection = match self.word()?.as_str() {
            "local" => Connection::Local,
            "host" => Connection::Host,
            "hostssl" => Connection::HostSsl,
            "hostnossl" => Connection::HostNoSsl,
            other => return Err(format!("`{other}`: `local`, `host`, `hostssl` or `hostnossl` is expected").into()),
        };
        let databases = self.names()?;
        let users = self.names()?;
        let mut never = false;
        let network = match connection {
            Connection::Local => None,
            _ => match self.word()?.as_str() {
                "all" => None,
                address => {
                    let network = self.network(address)?;
                    never = network.is_none();
                    network
                }
            },
        };
        let word = self.word()?;
        let method = METHODS.iter().find(|(name, _)| *name == word);
        let method = method.ok_or_else(|| format!("`{word}` is no method of PgBouncer"))?.1;
        let map = if method == Method::Ldap { None } else { self.map()? };
        Ok((!never).then(|| Rule {
            place: self.place.clone(),
            connection,
            databases,
            users,
            network,
            method,
            map,
        }))
    }

    /// An address with its mask; none where it holds for nobody.
    fn network(&mut self, address: &str) -> Result<Option<Network>, Fault> {
        if let Some((address, bits)) = address.split_once('/') {
            return Ok(Network::with_length(address, bits)?);
        }
        let mask = self.word()?;
        if has_holes(&mask) {
            return Err(Fault::Mask(mask));
        }
        Ok(Network::with_mask(address, &mask)?)
    }

    fn map(&mut self) -> Result<Option<String>, String> {
        let map = match self.tokens {
            [] => return Ok(None),
            [Token::Word(word)] => word.strip_prefix("map="),
            _ => None,
        };
        let map = map.ok_or("nothing but `map=name` is expected behind the method")?;
        if !self.maps.contains_key(map) {
            return Err(format!("there is no map `{map}` in the `auth_ident_file`"));
        }
        Ok(Some(map.to_owned()))
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens {
            [Token::Word(word), rest @ ..] => {
                self.tokens = rest;
                Ok(word.clone())
            }
            [Token::Quoted(name), ..] => Err(format!("`\"{name}\"`: a word without quotes is expected")),
            [Token::Comma, ..] => Err("a word is expected, and no comma".to_owned()),
            [Token::Broken, ..] => Err("a quote is not closed".to_owned()),
            [] => Err("the line ends too early".to_owned()),
        }
    }

    /// A list of names with commas (`hba.c`, `parse_names`).
    fn names(&mut self) -> Result<Names, String> {
        let mut names = Names::default();
        self.tokens = collect(self.tokens, &mut names, &self.place.file, 0, self.files)?;
        Ok(names)
    }
}

/// Takes names from the front; returns what stands behind them.
fn collect<'t>(
    mut tokens: &'t [Token],
    names: &mut Names,
    file: &str,
    depth: usize,
    files: &mut Files<'_>,
) -> Result<&'t [Token], String> {
    loop {
        match tokens.first() {
            Some(Token::Word(word)) => match word.as_str() {
                "all" => names.all = true,
                "sameuser" => names.same = true,
                "replication" => names.replication = true,
                "samerole" | "samegroup" => return Err(format!("`{word}` is not known to PgBouncer")),
                group if group.starts_with('+') => return Err(format!("`{group}`: groups are not known to PgBouncer")),
                word => match word.strip_prefix('@') {
                    Some(name) => from_file(&beside(file, name), names, depth, files)?,
                    None => drop(names.listed.insert(word.to_owned())),
                },
            },
            Some(Token::Quoted(name)) => drop(names.listed.insert(name.clone())),
            Some(Token::Broken) => return Err("a quote is not closed".to_owned()),
            Some(Token::Comma) | None => return Err("a name is expected".to_owned()),
        }
        match &tokens[1..] {
            [Token::Comma, rest @ ..] => tokens = rest,
            rest => return Ok(rest),
        }
    }
}

/// Takes the names of a file, one list on each line.
fn from_file(name: &str, names: &mut Names, depth: usize, files: &mut Files<'_>) -> Result<(), String> {
    if depth >= DEEPEST {
        return Err(format!("`{name}`: files may name files {DEEPEST} deep, and no deeper"));
    }
    let mut notes = Notes::default();
    let Some((file, text)) = files.first(name, &mut notes) else {
        return Err(format!("`{name}` cannot be read"));
    };
    for line in text.lines() {
        let tokens = tokens(line);
        if tokens.is_empty() {
            return Err(format!("`{name}` has a line without a name"));
        }
        collect(&tokens, names, &file, depth + 1, files)?;
    }
    Ok(())
}
