//! Short words for the generated table.

use super::{Begin, Categories, Effect, Find, Flags, KeyFlags, KeySpec, Row, Servers};

#[allow(
    clippy::too_many_arguments,
    reason = "called by the generated table only, one line for each command"
)]
pub(super) const fn row(
    name: &'static str,
    arity: i16,
    flags: Flags,
    positions: (i16, i16, i16),
    categories: Categories,
    group: &'static str,
    tips: &'static [&'static str],
    keys: &'static [KeySpec],
    servers: Servers,
    subcommands: &'static [Row],
) -> Row {
    Row {
        name,
        arity,
        flags,
        positions,
        categories,
        group,
        tips,
        keys,
        servers,
        subcommands,
        effect: Effect::of(name),
    }
}

pub(super) const fn key(flags: KeyFlags, begin: Begin, find: Find) -> KeySpec {
    KeySpec {
        notes: None,
        flags,
        begin,
        find,
    }
}

pub(super) const fn noted(notes: &'static str, spec: KeySpec) -> KeySpec {
    KeySpec {
        notes: Some(notes),
        ..spec
    }
}

pub(super) const fn index(at: u16) -> Begin {
    Begin::Index(at)
}

pub(super) const fn keyword(word: &'static str, from: i16) -> Begin {
    Begin::Keyword(word, from)
}

pub(super) const fn range(last: i16, step: u16, limit: u16) -> Find {
    Find::Range { last, step, limit }
}

pub(super) const fn count(at: u16, first: u16, step: u16) -> Find {
    Find::Count { at, first, step }
}
