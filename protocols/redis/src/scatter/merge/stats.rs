//! MEMORY STATS: numbers by name, and more of the same within (`object.c`, `memoryCommand`).

use tidegate_redis_wire::reply::{Kind, Value, Version, Writer};

use crate::scatter::raw::{self, Raw};

/// MEMORY STATS has databases within; nothing has more.
const LEVELS: usize = 4;

/// Sums of what adds up; the mean of what is a share or an average.
pub(super) fn merge(version: Version, replies: &[Raw<'_>], out: &mut Vec<u8>) -> Option<()> {
    one(version, false, replies, out, LEVELS)
}

fn one(version: Version, is_average: bool, values: &[Raw<'_>], out: &mut Vec<u8>, levels: usize) -> Option<()> {
    let first = values.first()?;
    let mut writer = Writer::new(out, version);
    let count = i64::try_from(values.len()).ok()?;
    if let Some(numbers) = values.iter().map(|value| value.integer()).collect::<Option<Vec<_>>>() {
        let sum = numbers.into_iter().fold(0, i64::saturating_add);
        writer.integer(if is_average { sum / count } else { sum });
    } else if let Some(numbers) = values.iter().map(|value| fraction(*value)).collect::<Option<Vec<_>>>() {
        #[expect(clippy::cast_precision_loss, reason = "a number of servers")]
        let mean = numbers.into_iter().sum::<f64>() / count as f64;
        writer.double((mean * 100.0).round() / 100.0);
    } else if let Some(maps) = values.iter().map(|value| pairs(*value)).collect::<Option<Vec<_>>>() {
        by_name(version, first, &maps, out, levels.checked_sub(1)?)?;
    } else {
        writer.raw(first.bytes());
    }
    Some(())
}

type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Every name that somebody has, in the order in which they come up.
fn by_name(version: Version, shape: &Raw<'_>, maps: &[Pairs<'_>], out: &mut Vec<u8>, levels: usize) -> Option<()> {
    let mut names: Vec<&[u8]> = Vec::new();
    for (name, _) in maps.iter().flatten() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let kind = shape.aggregate()?.kind;
    let each = if kind == Kind::Map { 1 } else { 2 };
    raw::begin(out, kind, names.len() * each);
    for name in names {
        let mut values = Vec::with_capacity(maps.len());
        for (_, value) in maps.iter().filter_map(|map| map.iter().find(|(own, _)| *own == name)) {
            values.push(Raw::of(value)?);
        }
        let is_average = Raw::of(name).and_then(Raw::text) == Some(b"keys.bytes-per-key");
        out.extend_from_slice(name);
        one(version, is_average, &values, out, levels)?;
    }
    Some(())
}

/// Names with values; in RESP2 an array that begins with a name.
fn pairs<'a>(value: Raw<'a>) -> Option<Pairs<'a>> {
    let values = value.values()?;
    let (pairs, []) = values.as_chunks::<2>() else {
        return None;
    };
    let named = |[name, value]: &[&'a [u8]; 2]| Raw::of(name)?.text().map(|_| (*name, *value));
    pairs.iter().map(named).collect()
}

/// A number with a fraction, which RESP2 says as a string.
fn fraction(value: Raw<'_>) -> Option<f64> {
    match value.value()? {
        Value::Double(number) => Some(number),
        Value::Bulk(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}
