//! What nodes say of their cluster, field by field as Redis 7.0 and Valkey 8 say it (`cluster.c`).

use std::fmt::Write as _;
use std::net::IpAddr;

use tidegate_redis_wire::reply::Writer;

use super::{Gateway, Shown};

/// What nodes add to their port for the links among them. Gateways have no links, but clients read the number.
const BUS: u16 = 10_000;

/// CLUSTER SLOTS (`clusterReplyMultiBulkSlots`).
pub(super) fn slots(shown: &Shown, writer: &mut Writer<'_>) {
    let ranges = shown.ranges();
    writer.array(ranges.len());
    for (first, last, gateway) in ranges {
        writer.array(if gateway.is_some() { 3 } else { 2 });
        writer.integer(first.into());
        writer.integer(last.into());
        if let Some(gateway) = gateway {
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
    let nodes = shown.nodes();
    writer.array(nodes.len());
    for (gateway, slots, _) in nodes {
        writer.map(2);
        writer.bulk("slots");
        writer.array(slots.len() * 2);
        for (first, last) in slots {
            writer.integer(first.into());
            writer.integer(last.into());
        }
        writer.bulk("nodes");
        writer.array(1);
        node(shown, gateway, writer);
    }
}

/// `addNodeDetailsToShardReply`.
fn node(shown: &Shown, gateway: &Gateway, writer: &mut Writer<'_>) {
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
    say(writer, "role", "master");
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
    let mut text = String::new();
    for (epoch, (gateway, slots, is_this)) in (1..).zip(shown.nodes()) {
        let Gateway { id, host, port, .. } = gateway;
        let bus = port.checked_add(BUS).unwrap_or(0);
        let flags = if is_this { "myself,master" } else { "master" };
        let _ = write!(text, "{id} {host}:{port}@{bus} {flags} - 0 0 {epoch} connected");
        for (first, last) in slots {
            let _ = if first == last {
                write!(text, " {first}")
            } else {
                write!(text, " {first}-{last}")
            };
        }
        text.push('\n');
    }
    writer.verbatim(*b"txt", &text);
}

/// CLUSTER INFO (`genClusterInfoString`).
pub(super) fn info(shown: &Shown, writer: &mut Writer<'_>) {
    let served = shown.served();
    let (mut size, mut epoch) = (0, 0);
    for (number, (_, slots, is_this)) in (1..).zip(shown.nodes()) {
        size += usize::from(!slots.is_empty());
        if is_this {
            epoch = number;
        }
    }
    let state = if shown.is_whole() { "ok" } else { "fail" };
    let lines = [
        ("cluster_slots_assigned", served),
        ("cluster_slots_ok", served),
        ("cluster_slots_pfail", 0),
        ("cluster_slots_fail", 0),
        ("cluster_known_nodes", shown.nodes().len()),
        ("cluster_size", size),
        ("cluster_current_epoch", shown.nodes().len()),
        ("cluster_my_epoch", epoch),
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
