use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tidegate_redis_wire::reply::{Cursor, Value};
use tidegate_redis_wire::request;

/// Commands of one server or several, by their names.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) commands: BTreeMap<String, Entry>,
}

/// A command or a subcommand.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) arity: i64,
    pub(super) flags: Vec<String>,
    pub(super) positions: [i64; 3],
    pub(super) categories: Vec<String>,
    pub(super) tips: Vec<String>,
    pub(super) keys: Vec<Spec>,
    pub(super) group: String,
    pub(super) servers: BTreeSet<&'static str>,
    pub(super) subcommands: BTreeMap<String, Entry>,
}

/// Where keys stand: how the search begins and how it goes on, each with a name and its fields.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) notes: Option<String>,
    pub(super) flags: Vec<String>,
    pub(super) begin: Part,
    pub(super) find: Part,
}

/// A part of a [`Spec`].
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: String,
    pub(super) fields: BTreeMap<String, String>,
}

impl Table {
    /// Adds the commands of a server.
    pub(super) fn ask(&mut self, address: &str) -> anyhow::Result<()> {
        let mut server = TcpStream::connect(address)?;
        server.set_read_timeout(Some(Duration::from_secs(10)))?;
        let about = send(&mut server, &["INFO", "server"])?;
        let valkey = about.windows(15).any(|window| window == b"valkey_version:");
        let name = if valkey { "VALKEY" } else { "REDIS" };
        let commands = send(&mut server, &["COMMAND"])?;
        for command in items(&Value::read(&commands)?.0)? {
            add(&mut self.commands, &command, name)?;
        }
        let docs = send(&mut server, &["COMMAND", "DOCS"])?;
        groups(&mut self.commands, &Value::read(&docs)?.0)
    }
}

/// Sends a command and reads its whole answer.
fn send(server: &mut TcpStream, words: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut request = Vec::new();
    request::command(&mut request, words);
    server.write_all(&request)?;
    let (mut cursor, mut answer, mut walked) = (Cursor::new(), Vec::new(), 0);
    let mut buffer = [0; 1 << 14];
    loop {
        let count = server.read(&mut buffer)?;
        if count == 0 {
            bail!("the server hung up");
        }
        answer.extend_from_slice(&buffer[..count]);
        let walk = cursor.walk(&answer[walked..])?;
        walked += walk.run;
        if walk.ended {
            return Ok(answer);
        }
    }
}

/// Takes an entry of COMMAND; what an older server said of it gives way.
fn add(commands: &mut BTreeMap<String, Entry>, command: &Value<'_>, server: &'static str) -> anyhow::Result<()> {
    let fields = items(command)?;
    let [
        name,
        arity,
        flags,
        first,
        last,
        step,
        categories,
        tips,
        keys,
        subcommands,
    ] = fields.as_slice()
    else {
        bail!(
            "an entry of {} fields, not ten: is the server older than 7.0?",
            fields.len()
        );
    };
    let entry = commands.entry(text(name)?).or_default();
    entry.servers.insert(server);
    entry.arity = integer(arity)?;
    entry.flags = texts(flags)?;
    entry.positions = [integer(first)?, integer(last)?, integer(step)?];
    entry.categories = texts(categories)?;
    entry.tips = texts(tips)?;
    entry.keys = items(keys)?.iter().map(spec).collect::<Result<_, _>>()?;
    for subcommand in items(subcommands)? {
        add(&mut entry.subcommands, &subcommand, server)?;
    }
    Ok(())
}

fn spec(value: &Value<'_>) -> anyhow::Result<Spec> {
    let fields = map(value)?;
    let field = |name: &str| fields.get(name).with_context(|| format!("a key without `{name}`"));
    Ok(Spec {
        notes: fields.get("notes").map(text).transpose()?,
        flags: texts(field("flags")?)?,
        begin: part(field("begin_search")?)?,
        find: part(field("find_keys")?)?,
    })
}

fn part(value: &Value<'_>) -> anyhow::Result<Part> {
    let fields = map(value)?;
    let kind = fields.get("type").context("a search without `type`")?;
    let spec = map(fields.get("spec").context("a search without `spec`")?)?;
    let fields = spec.into_iter().map(|(name, value)| match value.integer() {
        Some(number) => Ok((name, number.to_string())),
        None => Ok((name, text(&value)?)),
    });
    Ok(Part {
        kind: text(kind)?,
        fields: fields.collect::<anyhow::Result<_>>()?,
    })
}

/// Takes the groups out of COMMAND DOCS.
fn groups(commands: &mut BTreeMap<String, Entry>, docs: &Value<'_>) -> anyhow::Result<()> {
    for (name, about) in map(docs)? {
        let Some(entry) = commands.get_mut(&name) else {
            continue;
        };
        let about = map(&about)?;
        entry.group = text(about.get("group").context("no `group`")?)?;
        if let Some(subcommands) = about.get("subcommands") {
            groups(&mut entry.subcommands, subcommands)?;
        }
    }
    Ok(())
}

fn items<'a>(value: &Value<'a>) -> anyhow::Result<Vec<Value<'a>>> {
    let items = value.items().context("no array")?;
    Ok(items.collect::<Result<_, _>>()?)
}

fn map<'a>(value: &Value<'a>) -> anyhow::Result<BTreeMap<String, Value<'a>>> {
    let pairs = value.pairs().context("no map")?;
    pairs
        .map(|pair| {
            let (name, value) = pair?;
            Ok((text(&name)?, value))
        })
        .collect()
}

fn texts(value: &Value<'_>) -> anyhow::Result<Vec<String>> {
    items(value)?.iter().map(text).collect()
}

fn text(value: &Value<'_>) -> anyhow::Result<String> {
    let bytes = value.text().context("no text")?;
    Ok(String::from_utf8(bytes.to_vec())?)
}

fn integer(value: &Value<'_>) -> anyhow::Result<i64> {
    value.integer().context("no number")
}
