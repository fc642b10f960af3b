use std::borrow::Cow;

use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::Row;

use super::parts::Split;
use super::rule::{self, Rule};
use super::{Buckets, ScanStep, Scatter};

/// Where a command goes when there are several primaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it is, to who has this bucket.
    Bucket(u16),
    /// As it is, to any primary.
    Any,
    /// In pieces, each to who has its bucket.
    Parts(Scatter),
    /// The same bytes to several.
    All(Which, Scatter),
    /// To one server of a scan.
    Scan(ScanStep),
    /// It cannot be done; what the client is told.
    Error(Cow<'static, str>),
}

/// Who gets what goes to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All primaries.
    Primaries,
    /// Replicas too, as far as there are connections to them.
    Nodes,
}

/// What a Redis Cluster says (`cluster.c`, `clusterRedirectClient`).
const CROSS_SLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";
const CROSS_SERVER: &str = "ERR the keys of this command are on different servers";
const CROSS_CHANNEL: &str = "ERR the channels of this command are on different servers; name them one at a time";
const MIGRATE: &str = "ERR MIGRATE would take keys to where this gateway does not look for them";
const SORT: &str = "ERR BY and GET of SORT with patterns do not work across several servers";

/// Where a command goes. One with arguments that no server takes goes to any: the server says what is wrong with it.
///
/// What changes the client's own connection (AUTH, SELECT, MULTI, …) is for the session to know before it asks this; of
/// a transaction's commands it takes the buckets.
pub(crate) fn way(row: &Row, command: &Command<'_>, buckets: &impl Buckets) -> Way {
    if !row.accepts(command.count()) {
        Way::Any
    } else if row.keys.is_empty() {
        without_keys(row, command, buckets)
    } else {
        by_keys(row, command, buckets)
    }
}

fn by_keys(row: &Row, command: &Command<'_>, buckets: &impl Buckets) -> Way {
    if row.name == "migrate" {
        return Way::Error(MIGRATE.into());
    }
    // A cluster's node refuses them itself (`sort.c`, `sortCommandGeneric`); a plain server would find no key.
    if !buckets.is_slots() && matches!(row.name, "sort" | "sort_ro") && has_patterns(command) {
        return Way::Error(SORT.into());
    }
    let Ok(keys) = row.slot_keys(command) else {
        return Way::Any;
    };
    match one_bucket(keys.of(command).map(|(key, _)| key), buckets) {
        Place::None => Way::Any,
        Place::One(bucket) => Way::Bucket(bucket),
        Place::Many => match Split::of(row.name) {
            Some(split) => split.way(row, command, buckets),
            None if buckets.is_slots() => Way::Error(CROSS_SLOT.into()),
            None => Way::Error(CROSS_SERVER.into()),
        },
    }
}

fn without_keys(row: &Row, command: &Command<'_>, buckets: &impl Buckets) -> Way {
    // A row that nothing is known of is one that a test does not let pass.
    match rule::of(row).unwrap_or(Rule::Any) {
        Rule::Any => Way::Any,
        Rule::All(which, merge) => Way::All(which, Scatter::whole(command, merge)),
        Rule::Error(text) => Way::Error(text.into()),
        Rule::Scan => ScanStep::of(command),
        Rule::Slot => slot_argument(command, buckets),
        // The bus of a cluster carries messages to all nodes; plain servers keep them, so that there a channel has a
        // shard as a key has.
        Rule::Channels if buckets.is_slots() => Way::Any,
        Rule::Channels => channels(row, command, buckets),
        Rule::Patterns(text) if !buckets.is_slots() => Way::Error(text.into()),
        Rule::Patterns(_) => Way::Any,
    }
}

fn channels(row: &Row, command: &Command<'_>, buckets: &impl Buckets) -> Way {
    // PUBLISH has a message behind its channel.
    let limit = if row.name == "publish" { 1 } else { usize::MAX };
    match one_bucket(command.arguments_from(1).take(limit), buckets) {
        Place::None => Way::Any,
        Place::One(bucket) => Way::Bucket(bucket),
        Place::Many => Way::Error(CROSS_CHANNEL.into()),
    }
}

/// CLUSTER COUNTKEYSINSLOT and its kin: who has the slot knows.
fn slot_argument(command: &Command<'_>, buckets: &impl Buckets) -> Way {
    let slot = command.argument(2).and_then(|text| std::str::from_utf8(text).ok());
    let slot = slot.and_then(|text| text.parse().ok());
    match slot.and_then(tidegate_redis_wire::slot::Slot::new) {
        Some(slot) if buckets.is_slots() => Way::Bucket(slot.number()),
        _ => Way::Any,
    }
}

enum Place {
    None,
    One(u16),
    Many,
}

fn one_bucket<'k>(keys: impl Iterator<Item = &'k [u8]>, buckets: &impl Buckets) -> Place {
    let mut keys = keys.map(|key| buckets.bucket(key));
    match keys.next() {
        None => Place::None,
        Some(first) if keys.all(|bucket| bucket == first) => Place::One(first),
        Some(_) => Place::Many,
    }
}

/// Whether SORT looks at keys that its elements name: a pattern without a star names none (`sort.c`,
/// `lookupKeyByPattern`).
fn has_patterns(command: &Command<'_>) -> bool {
    let mut arguments = command.arguments_from(2);
    while let Some(word) = arguments.next() {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"LIMIT") {
            arguments.next();
            arguments.next();
        } else if (is(b"BY") || is(b"GET")) && arguments.next().is_some_and(|pattern| pattern.contains(&b'*')) {
            return true;
        }
    }
    false
}
