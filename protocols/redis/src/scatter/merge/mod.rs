//! How several replies become one.

mod info;
mod stats;

use std::collections::HashSet;
use std::fmt::Write as _;

use tidegate_redis_wire::reply::{Kind, Writer};

use super::Asker;
use super::raw::{self, Raw};

/// How several replies become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Merge {
    /// The first; all have succeeded.
    First,
    /// The first that is no error.
    OneSucceeded,
    /// The sum of numbers.
    Sum,
    /// The smallest number.
    Min,
    /// The smallest of each place.
    MinEach,
    /// Whether all are 1, for each place.
    AndEach,
    /// All values of all arrays.
    Joined,
    /// The same, each once.
    Union,
    /// Names with numbers: the sum of each name's.
    SumPairs,
    /// Each value at the place that is written here, in the order of the pieces.
    Placed(Vec<usize>),
    /// One of those that are not nothing.
    Pick,
    /// INFO.
    Info,
    /// Numbers by name, those that add up and those that do not (MEMORY STATS).
    Stats,
    /// FUNCTION STATS: of the first that runs a script, else of the first.
    Busy,
    /// ROLE of the first, without its replicas: a client would go to them past the gateway.
    Role,
    /// Texts for people.
    Texts,
}

const NO_FIT: &str = "ERR the servers' answers do not fit together";

impl Merge {
    /// Makes one reply of several. An error is the reply, the first in order.
    pub(super) fn run(&self, asker: &Asker, replies: &[&[u8]], out: &mut Vec<u8>) {
        let start = out.len();
        let read: Option<Vec<Raw<'_>>> = replies.iter().map(|reply| Raw::of(reply)).collect();
        let merged = read.and_then(|replies| self.merge(asker, &replies, out));
        if merged.is_none() {
            out.truncate(start);
            Writer::new(out, asker.version).error(NO_FIT);
        }
    }

    fn merge(&self, asker: &Asker, replies: &[Raw<'_>], out: &mut Vec<u8>) -> Option<()> {
        if *self == Self::OneSucceeded {
            return one_succeeded(replies, out);
        }
        if let Some(error) = replies.iter().find(|reply| reply.is_error()) {
            out.extend_from_slice(error.bytes());
            return Some(());
        }
        let first = replies.first()?;
        let mut writer = Writer::new(out, asker.version);
        match self {
            Self::First | Self::OneSucceeded => writer.raw(first.bytes()),
            Self::Sum => writer.integer(numbers(replies)?.into_iter().fold(0, i64::saturating_add)),
            Self::Min => writer.integer(numbers(replies)?.into_iter().min()?),
            Self::MinEach | Self::AndEach => each_min(replies, &mut writer)?,
            Self::Joined => joined(replies, out)?,
            Self::Union => union(replies, out)?,
            Self::SumPairs => sum_pairs(replies, out)?,
            Self::Placed(places) => placed(places, replies, &mut writer)?,
            Self::Pick => writer.raw(pick(replies, asker.dice)?.bytes()),
            Self::Info => info::merge(asker, replies, &mut writer)?,
            Self::Stats => stats::merge(asker.version, replies, out)?,
            Self::Busy => writer.raw(busy(replies)?.bytes()),
            Self::Role => role(first, &mut writer)?,
            Self::Texts => texts(replies, &mut writer)?,
        }
        Some(())
    }
}

/// The first that is no error. Of errors one that says more than that nothing runs here, if there is one: SCRIPT KILL
/// of a script that has written (`UNKILLABLE`).
fn one_succeeded(replies: &[Raw<'_>], out: &mut Vec<u8>) -> Option<()> {
    let success = replies.iter().find(|reply| !reply.is_error());
    let telling = || replies.iter().find(|reply| !reply.bytes().starts_with(b"-NOTBUSY"));
    let reply = success.or_else(telling).or_else(|| replies.first())?;
    out.extend_from_slice(reply.bytes());
    Some(())
}

fn numbers(replies: &[Raw<'_>]) -> Option<Vec<i64>> {
    replies.iter().map(|reply| reply.integer()).collect()
}

/// The smallest number of each place, which is also whether all are 1.
fn each_min(replies: &[Raw<'_>], writer: &mut Writer<'_>) -> Option<()> {
    let mut least: Option<Vec<i64>> = None;
    for reply in replies {
        let values = reply.values()?.into_iter().map(Raw::of).collect::<Option<Vec<_>>>()?;
        let values = numbers(&values)?;
        least = Some(match least {
            None => values,
            Some(least) if least.len() == values.len() => least
                .into_iter()
                .zip(values)
                .map(|(one, other)| one.min(other))
                .collect(),
            Some(_) => return None,
        });
    }
    let least = least?;
    writer.array(least.len());
    for number in least {
        writer.integer(number);
    }
    Some(())
}

/// All values in one aggregate. Where nobody has any, as of ACL LOG RESET, the first reply.
fn joined(replies: &[Raw<'_>], out: &mut Vec<u8>) -> Option<()> {
    let parts: Vec<_> = replies.iter().filter_map(|reply| reply.aggregate()).collect();
    if parts.is_empty() {
        out.extend_from_slice(replies.first()?.bytes());
        return Some(());
    }
    let kind = parts.first()?.kind;
    if parts.len() != replies.len() || parts.iter().any(|part| part.kind != kind) {
        return None;
    }
    let count = parts
        .iter()
        .try_fold(0_usize, |sum, part| sum.checked_add(part.count))?;
    raw::begin(out, kind, count);
    for part in &parts {
        out.extend_from_slice(part.body);
    }
    Some(())
}

fn union(replies: &[Raw<'_>], out: &mut Vec<u8>) -> Option<()> {
    let parts: Option<Vec<_>> = replies.iter().map(|reply| reply.aggregate()).collect();
    let parts = parts?;
    let kind = parts.first()?.kind;
    if kind == Kind::Map || parts.iter().any(|part| part.kind != kind) {
        return None;
    }
    let mut values = Vec::new();
    for part in &parts {
        values.extend(part.values()?);
    }
    let mut seen = HashSet::new();
    values.retain(|value| seen.insert(*value));
    raw::begin(out, kind, values.len());
    for value in values {
        out.extend_from_slice(value);
    }
    Some(())
}

/// Names with numbers, in a map or in an array that stands for one. All were asked for the same names.
fn sum_pairs(replies: &[Raw<'_>], out: &mut Vec<u8>) -> Option<()> {
    let kind = replies.first()?.aggregate()?.kind;
    let mut sums: Vec<(&[u8], i64)> = Vec::new();
    for (index, reply) in replies.iter().enumerate() {
        let values = reply.values()?;
        let (pairs, []) = values.as_chunks::<2>() else {
            return None;
        };
        if index > 0 && pairs.len() != sums.len() {
            return None;
        }
        for (at, [name, number]) in pairs.iter().enumerate() {
            let number = Raw::of(number)?.integer()?;
            match sums.get_mut(at) {
                None => sums.push((name, number)),
                Some((own, sum)) if own == name => *sum = sum.saturating_add(number),
                Some(_) => return None,
            }
        }
    }
    let each = if kind == Kind::Map { 1 } else { 2 };
    raw::begin(out, kind, sums.len() * each);
    for (name, sum) in sums {
        out.extend_from_slice(name);
        out.extend_from_slice(format!(":{sum}\r\n").as_bytes());
    }
    Some(())
}

fn placed(places: &[usize], replies: &[Raw<'_>], writer: &mut Writer<'_>) -> Option<()> {
    let mut values: Vec<Option<&[u8]>> = vec![None; places.len()];
    let mut places = places.iter();
    for reply in replies {
        for value in reply.values()? {
            *values.get_mut(*places.next()?)? = Some(value);
        }
    }
    let values: Option<Vec<&[u8]>> = values.into_iter().collect();
    let values = values?;
    writer.array(values.len());
    for value in values {
        writer.raw(value);
    }
    Some(())
}

fn pick<'r>(replies: &[Raw<'r>], dice: u64) -> Option<Raw<'r>> {
    let found: Vec<_> = replies.iter().filter(|reply| !reply.is_null()).collect();
    let at = dice.checked_rem(found.len() as u64).unwrap_or(0);
    let found = usize::try_from(at).ok().and_then(|at| found.get(at).copied());
    found.or_else(|| replies.first()).copied()
}

fn busy<'r>(replies: &[Raw<'r>]) -> Option<Raw<'r>> {
    let runs = |reply: &&Raw<'_>| {
        let values = reply.values().unwrap_or_default();
        values.as_chunks::<2>().0.iter().any(|[name, value]| {
            let is_running = Raw::of(name).and_then(Raw::text) == Some(b"running_script");
            is_running && Raw::of(value).is_some_and(|value| !value.is_null())
        })
    };
    replies.iter().find(runs).or_else(|| replies.first()).copied()
}

/// `replication.c`, `roleCommand`: of a primary its offset and its replicas.
fn role(first: &Raw<'_>, writer: &mut Writer<'_>) -> Option<()> {
    let values = first.values()?;
    match values.as_slice() {
        [role, offset, _] if Raw::of(role)?.text() == Some(b"master") => {
            writer.array(3);
            writer.raw(role);
            writer.raw(offset);
            writer.array(0);
        }
        _ => return None,
    }
    Some(())
}

fn texts(replies: &[Raw<'_>], writer: &mut Writer<'_>) -> Option<()> {
    let mut all = String::new();
    for (number, reply) in (1..).zip(replies) {
        let text = String::from_utf8_lossy(reply.text()?);
        let _ = write!(all, "# server {number} of {}\n{text}\n", replies.len());
    }
    writer.verbatim(*b"txt", &all);
    Some(())
}
