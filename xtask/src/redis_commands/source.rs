use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use tidegate_redis_wire::table::{Categories, Flags, KeyFlags};

use super::server::{Entry, Part, Spec, Table};

/// The table as Rust: one line for each command, containers with their own list, places of keys said once.
pub(super) fn of(table: &Table) -> anyhow::Result<String> {
    let mut specs = Specs::default();
    let (mut containers, mut rows) = (String::new(), String::new());
    for (name, entry) in &table.commands {
        let mut subcommands = "NO_SUBCOMMANDS".to_owned();
        if !entry.subcommands.is_empty() {
            subcommands = name.to_uppercase();
            writeln!(containers, "const {subcommands}: &[Row] = &[")?;
            for (name, entry) in &entry.subcommands {
                writeln!(containers, "    {},", row(name, entry, "NO_SUBCOMMANDS", &mut specs)?)?;
            }
            writeln!(containers, "];\n")?;
        }
        writeln!(rows, "    {},", row(name, entry, &subcommands, &mut specs)?)?;
    }
    Ok(format!(
        "{HEAD}{}{containers}/// All commands, by their names.\npub(super) const COMMANDS: &[Row] = &[\n{rows}];\n",
        specs.source
    ))
}

const HEAD: &str =
    "//! Made by `cargo xtask redis-commands` from the servers' own COMMAND and COMMAND DOCS. Do not edit.

#![cfg_attr(rustfmt, rustfmt_skip)] // one line for each command

use super::make::{count, index, key, keyword, noted, range, row};
use super::{Begin, Categories as C, Find, Flags as F, KeyFlags as K, KeySpec, Row, Servers as S};

const NO_SUBCOMMANDS: &[Row] = &[];

";

fn row(name: &str, entry: &Entry, subcommands: &str, specs: &mut Specs) -> anyhow::Result<String> {
    let keys: Vec<String> = entry
        .keys
        .iter()
        .map(|spec| specs.name(spec))
        .collect::<Result<_, _>>()?;
    let [first, last, step] = entry.positions;
    let flags = set("F", Flags::WORDS, &entry.flags)?;
    let categories = set("C", Categories::WORDS, &entry.categories)?;
    let servers: Vec<String> = entry.servers.iter().map(|server| (*server).to_owned()).collect();
    Ok(format!(
        "row({name:?}, {}, {flags}, ({first}, {last}, {step}), {categories}, {:?}, &{:?}, &[{}], {}, {subcommands})",
        entry.arity,
        entry.group,
        entry.tips,
        keys.join(", "),
        joined("S", &servers),
    ))
}

/// Places of keys, each with the constant that says it.
#[derive(Default)]
struct Specs {
    names: BTreeMap<String, String>,
    source: String,
}

impl Specs {
    fn name(&mut self, spec: &Spec) -> anyhow::Result<String> {
        let flags = set("K", KeyFlags::WORDS, &spec.flags)?;
        let mut value = format!("key({flags}, {}, {})", begin(&spec.begin)?, find(&spec.find)?);
        if let Some(notes) = &spec.notes {
            value = format!("noted({notes:?}, {value})");
        }
        if let Some(name) = self.names.get(&value) {
            return Ok(name.clone());
        }
        let name = format!("KEY_{}", self.names.len());
        writeln!(self.source, "const {name}: KeySpec = {value};\n")?;
        self.names.insert(value, name.clone());
        Ok(name)
    }
}

fn begin(part: &Part) -> anyhow::Result<String> {
    Ok(match part.kind.as_str() {
        "index" => format!("index({})", field(part, "index")?),
        "keyword" => format!("keyword({:?}, {})", field(part, "keyword")?, field(part, "startfrom")?),
        "unknown" => "Begin::Unknown".to_owned(),
        other => bail!("keys begin by `{other}`, which is new"),
    })
}

fn find(part: &Part) -> anyhow::Result<String> {
    let three = |names: [&str; 3]| -> anyhow::Result<String> {
        let fields: Vec<&str> = names.iter().map(|name| field(part, name)).collect::<Result<_, _>>()?;
        Ok(fields.join(", "))
    };
    Ok(match part.kind.as_str() {
        "range" => format!("range({})", three(["lastkey", "keystep", "limit"])?),
        "keynum" => format!("count({})", three(["keynumidx", "firstkey", "keystep"])?),
        "unknown" => "Find::Unknown".to_owned(),
        other => bail!("keys are found by `{other}`, which is new"),
    })
}

fn field<'a>(part: &'a Part, name: &str) -> anyhow::Result<&'a str> {
    let field = part.fields.get(name);
    Ok(field.with_context(|| format!("a search without `{name}`"))?)
}

/// Words as constants of a set. A word that the wire does not know is a mistake here, not one to pass over.
fn set<T>(kind: &str, known: &[(&str, T)], words: &[String]) -> anyhow::Result<String> {
    let mut constants = Vec::new();
    for word in words {
        if !known.iter().any(|(name, _)| name == word) {
            bail!("the wire does not know the word `{word}`");
        }
        constants.push(constant(word));
    }
    Ok(joined(kind, &constants))
}

fn joined(kind: &str, constants: &[String]) -> String {
    match constants.split_first() {
        None => format!("{kind}::NONE"),
        Some((first, rest)) => {
            let start = format!("{kind}::{first}");
            rest.iter().fold(start, |all, name| format!("{all}.or({kind}::{name})"))
        }
    }
}

/// The constant that stands for a word.
fn constant(word: &str) -> String {
    match word.trim_start_matches('@') {
        "movablekeys" => "MOVABLE_KEYS".to_owned(),
        "sortedset" => "SORTED_SET".to_owned(),
        "variable_flags" => "VARIABLE".to_owned(),
        other => other.to_uppercase(),
    }
}
