//! What COMMAND answers (`server.c`, `addReplyCommandInfo`).

use super::{Begin, Find, KeySpec, Row};
use crate::reply::Writer;

/// Tells all about a command, as COMMAND and COMMAND INFO do for each.
pub fn info(writer: &mut Writer<'_>, row: &Row) {
    writer.array(10);
    writer.bulk(row.name);
    writer.integer(row.arity.into());
    statuses(writer, row.flags.words());
    for position in [row.positions.0, row.positions.1, row.positions.2] {
        writer.integer(position.into());
    }
    statuses(writer, row.categories.words());
    writer.set(row.tips.len());
    row.tips.iter().for_each(|tip| writer.bulk(tip));
    writer.set(row.keys.len());
    for spec in row.keys {
        key_spec(writer, spec);
    }
    // Redis itself says an empty set, and an array of some.
    match row.subcommands.len() {
        0 => writer.set(0),
        count => writer.array(count),
    }
    for subcommand in row.subcommands {
        info(writer, subcommand);
    }
}

fn statuses(writer: &mut Writer<'_>, words: impl Iterator<Item = &'static str> + Clone) {
    writer.set(words.clone().count());
    words.for_each(|word| writer.simple(word));
}

fn key_spec(writer: &mut Writer<'_>, spec: &KeySpec) {
    writer.map(if spec.notes.is_some() { 4 } else { 3 });
    if let Some(notes) = spec.notes {
        writer.bulk("notes");
        writer.bulk(notes);
    }
    writer.bulk("flags");
    statuses(writer, spec.flags.words());
    writer.bulk("begin_search");
    match spec.begin {
        Begin::Index(index) => numbers(writer, "index", &[("index", index.into())]),
        Begin::Keyword(word, from) => {
            kind(writer, "keyword", 2);
            writer.bulk("keyword");
            writer.bulk(word);
            writer.bulk("startfrom");
            writer.integer(from.into());
        }
        Begin::Unknown => numbers(writer, "unknown", &[]),
    }
    writer.bulk("find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            let fields = [
                ("lastkey", last.into()),
                ("keystep", step.into()),
                ("limit", limit.into()),
            ];
            numbers(writer, "range", &fields);
        }
        Find::Count { at, first, step } => {
            let fields = [
                ("keynumidx", at.into()),
                ("firstkey", first.into()),
                ("keystep", step.into()),
            ];
            numbers(writer, "keynum", &fields);
        }
        Find::Unknown => numbers(writer, "unknown", &[]),
    }
}

fn numbers(writer: &mut Writer<'_>, name: &str, fields: &[(&str, i64)]) {
    kind(writer, name, fields.len());
    for (name, number) in fields {
        writer.bulk(name);
        writer.integer(*number);
    }
}

fn kind(writer: &mut Writer<'_>, name: &str, fields: usize) {
    writer.map(2);
    writer.bulk("type");
    writer.bulk(name);
    writer.bulk("spec");
    writer.map(fields);
}
