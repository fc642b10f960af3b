//! What nodes say of their cluster, field by field as Redis 7.0 and Valkey 8 say it (`cluster.c`).

use std::fmt::Write as _;
use std::net::IpAddr;

use tidegate_redis_wire::reply::Writer;

use super::layout::Node;
use super::{Gateway, Shown};

/// What nodes add to their port for the links among them. Gateways have no links, but clients read the number.
const BUS: u16 = 10_000;

/// CLUSTER SLOTS (`clusterReplyMultiBulkSlots`).
pub(super) fn slots(shown: &Shown, writer: &mut Writer<'_>) {
    let ranges = shown.ranges();
    writer.array(ranges.len());
    for (first, last, gateway) in ranges {
        let replicas = gateway.into_iter().flat_map(|gateway| shown.replicas(gateway));
        let nodes: Vec<_> = gateway.into_iter().chain(replicas.map(|node| node.gateway)).collect();
        writer.array(2 + nodes.len());
        writer.integer(first.into());
        writer.integer(last.into());
        for gateway in nodes {
            writer.array(4);
            writer.bulk(&gateway.host);
            writer.integer(gateway.port.into());
            writer.bulk(&gateway.id);
            writer.map(0);
        }
    }
}

/// CLUSTER SHARDS (`clusterReplyShards`).
pub(super) fn shards(shown: &Shown, writer: &mut Writer<'_>) {
    let primaries: Vec<_> = shown.nodes().filter(|node| node.follows.is_none()).collect();
    writer.array(primaries.len());
    for primary in primaries {
        writer.map(2);
        writer.bulk("slots");
        writer.array(primary.slots.len() * 2);
        for (first, last) in &primary.slots {
            writer.integer((*first).into());
            writer.integer((*last).into());
        }
        let replicas: Vec<_> = shown.replicas(primary.gateway).collect();
        writer.bulk("nodes");
        writer.array(1 + replicas.len());
        for node in std::iter::once(&primary).chain(&replicas) {
            details(shown, node, writer);
        }
    }
}

/// `addNodeDetailsToShardReply`.
fn details(shown: &Shown, node: &Node<'_>, writer: &mut Writer<'_>) {
    let gateway = node.gateway;
    // Who announces a name is asked for by it; who has none says nothing of one.
    let has_name = gateway.host.parse::<IpAddr>().is_err();
    writer.map(if has_name { 8 } else { 7 });
    say(writer, "id", &gateway.id);
    writer.bulk(if shown.is_over_tls() { "tls-port" } else { "port" });
    writer.integer(gateway.port.into());
    say(writer, "ip", &gateway.host);
    say(writer, "endpoint", &gateway.host);
    if has_name {
        say(writer, "hostname", &gateway.host);
    }
    let is_primary = node.follows.is_none();
    say(writer, "role", if is_primary { "master" } else { "replica" });
    writer.bulk("replication-offset");
    writer.integer(0);
    say(writer, "health", "online");
}

fn say(writer: &mut Writer<'_>, name: &str, text: &str) {
    writer.bulk(name);
    writer.bulk(text);
}

/// CLUSTER NODES (`clusterGenNodesDescription`).
pub(super) fn nodes(shown: &Shown, writer: &mut Writer<'_>) {
    let text = shown
        .nodes()
        .fold(String::new(), |text, node| text + &line(&node) + "\n");
    writer.verbatim(*b"txt", &text);
}

/// CLUSTER REPLICAS of a primary: their lines of CLUSTER NODES.
pub(super) fn replicas(shown: &Shown, of: &Gateway, writer: &mut Writer<'_>) {
    let lines: Vec<_> = shown.replicas(of).map(|node| line(&node)).collect();
    writer.array(lines.len());
    for line in lines {
        writer.bulk(line);
    }
}

/// `clusterGenNodeDescription`.
fn line(node: &Node<'_>) -> String {
    let Gateway { id, host, port, .. } = node.gateway;
    let bus = port.checked_add(BUS).unwrap_or(0);
    let this = if node.is_this { "myself," } else { "" };
    let (role, primary) = match node.follows {
        Some(primary) => ("slave", primary.id.as_str()),
        None => ("master", "-"),
    };
    let mut text = format!(
        "{id} {host}:{port}@{bus} {this}{role} {primary} 0 0 {} connected",
        node.epoch
    );
    for (first, last) in &node.slots {
        let _ = if first == last {
            write!(text, " {first}")
        } else {
            write!(text, " {first}-{last}")
        };
    }
    text
}

/// CLUSTER INFO (`genClusterInfoString`).
pub(super) fn info(shown: &Shown, writer: &mut Writer<'_>) {
    let served = shown.served();
    let size = shown.nodes().filter(|node| !node.slots.is_empty()).count();
    let current = shown.nodes().map(|node| node.epoch).max().unwrap_or(0);
    let own = shown.nodes().find(|node| node.is_this).map_or(0, |node| node.epoch);
    let state = if shown.is_whole() { "ok" } else { "fail" };
    let lines = [
        ("cluster_slots_assigned", served),
        ("cluster_slots_ok", served),
        ("cluster_slots_pfail", 0),
        ("cluster_slots_fail", 0),
        ("cluster_known_nodes", shown.nodes().len()),
        ("cluster_size", size),
        ("cluster_current_epoch", current),
        ("cluster_my_epoch", own),
        ("cluster_stats_messages_sent", 0),
        ("cluster_stats_messages_received", 0),
        ("total_cluster_links_buffer_limit_exceeded", 0),
    ];
    let mut text = format!("cluster_state:{state}\r\n");
    for (name, number) in lines {
        let _ = write!(text, "{name}:{number}\r\n");
    }
    writer.verbatim(*b"txt", &text);
}
