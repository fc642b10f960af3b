use tidegate_redis_wire::reply::{Version, Writer};
use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::slot::Slot;
use tidegate_redis_wire::table::{self, Row, Servers, Unknown};

use super::{Shown, replies};

/// What a client sees of the cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen<'a> {
    /// One server, which knows nothing of clusters.
    Nothing,
    /// A cluster of gateways.
    Gateways(&'a Shown),
}

/// Who answers CLUSTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The gateway: it is written.
    Gateway,
    /// A server; which one says where the command goes (`scatter`).
    Server,
}

/// What those are told who would change the cluster.
pub(crate) const ADMINISTERED: &str = "ERR the cluster is administered at its own nodes, not through this gateway";
const DISABLED: &str = "ERR This instance has cluster support disabled";

/// Answers CLUSTER in the words of this server, Redis or Valkey.
pub(crate) fn answer(
    command: &Command<'_>,
    seen: Seen<'_>,
    server: Servers,
    version: Version,
    out: &mut Vec<u8>,
) -> Answer {
    let writer = &mut Writer::new(out, version);
    let row = match table::resolve(command) {
        Ok(row) if row.servers.has(server) => row,
        Ok(_) | Err(Unknown::Subcommand(_)) => return unknown(command, writer),
        Err(Unknown::Command) => return Answer::Server,
    };
    if !row.accepts(command.count()) {
        return error(
            writer,
            &format!("ERR wrong number of arguments for '{}' command", row.name),
        );
    }
    match seen {
        // Even KEYSLOT, which needs no cluster (`cluster.c`, `clusterCommand`).
        Seen::Nothing => error(writer, DISABLED),
        Seen::Gateways(shown) => of_gateways(row, command, shown, writer),
    }
}

fn of_gateways(row: &Row, command: &Command<'_>, shown: &Shown, writer: &mut Writer<'_>) -> Answer {
    match row.word() {
        "slots" => replies::slots(shown, writer),
        "shards" => replies::shards(shown, writer),
        "nodes" => replies::nodes(shown, writer),
        "info" => replies::info(shown, writer),
        "myid" => writer.bulk(shown.this().map_or("", |gateway| &gateway.id)),
        "myshardid" => writer.bulk(shown.primary().map_or("", |gateway| &gateway.shard)),
        // Gateways have none, no links among them, and do not report each other.
        "links" => writer.array(0),
        "replicas" | "slaves" | "count-failure-reports" => return of_node(row, command, shown, writer),
        "keyslot" => {
            let slot = Slot::of(command.argument(2).unwrap_or_default());
            writer.integer(slot.number().into());
        }
        "countkeysinslot" | "getkeysinslot" | "slot-stats" | "help" => return Answer::Server,
        _ => writer.error(ADMINISTERED),
    }
    Answer::Gateway
}

fn of_node(row: &Row, command: &Command<'_>, shown: &Shown, writer: &mut Writer<'_>) -> Answer {
    let id = command.argument(2).unwrap_or_default();
    match shown.node(id) {
        None => return error(writer, &format!("ERR Unknown node {}", String::from_utf8_lossy(id))),
        Some(_) if row.word() == "count-failure-reports" => writer.integer(0),
        Some(node) if node.follows.is_some() => writer.error("ERR The specified node is not a master"),
        Some(node) => replies::replicas(shown, node.gateway, writer),
    }
    Answer::Gateway
}

/// `server.c`, `commandCheckExistence`.
fn unknown(command: &Command<'_>, writer: &mut Writer<'_>) -> Answer {
    let word = command.argument(1).unwrap_or_default();
    let word = String::from_utf8_lossy(word.get(..128).unwrap_or(word));
    error(writer, &format!("ERR unknown subcommand '{word}'. Try CLUSTER HELP."))
}

fn error(writer: &mut Writer<'_>, text: &str) -> Answer {
    writer.error(text);
    Answer::Gateway
}
