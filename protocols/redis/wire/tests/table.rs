//! The command table against the servers it was made from.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

mod common;

use std::collections::BTreeSet;

use common::with_command;
use tidegate_kit::{Flavour, Redis, Resp};
use tidegate_redis_wire::reply::{Version, Writer};
use tidegate_redis_wire::table::{
    self, Access, Categories, Channels, Effect, Flags, RequestPolicy, ResponsePolicy, Row, Servers, Unknown,
};

/// Commands of which Redis 7.0 says something else than Valkey 8.0, whose word the table takes: new subcommands,
/// arguments, tips and flags.
const CHANGED: &[&str] = &[
    "acl",
    "blmove",
    "blpop",
    "brpop",
    "brpoplpush",
    "bzpopmax",
    "bzpopmin",
    "client",
    "cluster",
    "command",
    "config",
    "latency",
    "msetnx",
    "multi",
    "randomkey",
    "scan",
    "script",
    "sinterstore",
    "wait",
    "watch",
    "zrank",
    "zrevrank",
];

/// An answer with what has no order brought into one: the entries of subcommands.
fn ordered(reply: &Resp) -> Resp {
    let mut fields = reply.items().to_vec();
    if let Some(Resp::Array(subcommands) | Resp::Set(subcommands)) = fields.get_mut(9) {
        subcommands.sort_by_key(|subcommand| subcommand.items()[0].text());
    }
    Resp::Array(fields)
}

fn differences(flavour: Flavour, version: Version) -> BTreeSet<String> {
    let redis = Redis::start(flavour);
    let mut client = redis.client();
    client.ask(&["HELLO", &version.number().to_string()]);
    let mut different = BTreeSet::new();
    let mut said = 0;
    for reply in client.ask(&["COMMAND"]).items() {
        let name = reply.items()[0].text();
        let Some(row) = table::find(name.as_bytes()) else {
            panic!("{name} of {flavour:?} is not in the table");
        };
        let mut bytes = Vec::new();
        table::info(&mut Writer::new(&mut bytes, version), row);
        let (own, used) = Resp::parse(&bytes).unwrap();
        assert_eq!(used, bytes.len());
        if ordered(&own) != ordered(reply) {
            different.insert(name);
        }
        said += 1;
    }
    let server = if flavour == Flavour::Redis {
        Servers::REDIS
    } else {
        Servers::VALKEY
    };
    let own = table::commands().iter().filter(|row| row.servers.has(server)).count();
    assert_eq!(said, own, "the table has commands that {flavour:?} has not");
    different
}

#[test]
fn it_is_what_the_servers_say() {
    for version in [Version::Resp2, Version::Resp3] {
        assert_eq!(differences(Flavour::Valkey, version), BTreeSet::new());
        let changed = differences(Flavour::Redis, version);
        assert_eq!(changed, CHANGED.iter().map(|name| (*name).to_owned()).collect());
    }
}

fn row(words: &str) -> Result<&'static Row, Unknown> {
    let words: Vec<&str> = words.split(' ').collect();
    with_command(&words, table::resolve)
}

#[test]
fn rows_are_found_by_name_and_subcommand() {
    assert_eq!(row("GeT a").unwrap().name, "get");
    assert_eq!(row("config GET x").unwrap().name, "config|get");
    assert_eq!(row("CONFIG").unwrap().name, "config");
    assert_eq!(row("nonsense a"), Err(Unknown::Command));
    let container = table::find(b"client").unwrap();
    assert_eq!(row("client nonsense"), Err(Unknown::Subcommand(container)));
    let set = row("SET a b").unwrap();
    assert!(set.accepts(3) && set.accepts(9) && !set.accepts(2));
    assert!(row("GET a").unwrap().accepts(2) && !row("GET a").unwrap().accepts(3));
    assert_eq!(row("GET a").unwrap().group, "string");
}

#[test]
fn policies_and_accesses_are_read() {
    let check = |words: &str, request, response| {
        let row = row(words).unwrap();
        assert_eq!(
            (row.request_policy(), row.response_policy()),
            (request, response),
            "{words}"
        );
    };
    check("GET a", RequestPolicy::ByKeys, ResponsePolicy::Joined);
    check("MGET a", RequestPolicy::MultiShard, ResponsePolicy::Joined);
    check("DEL a", RequestPolicy::MultiShard, ResponsePolicy::Sum);
    check("DBSIZE", RequestPolicy::AllShards, ResponsePolicy::Sum);
    check("FLUSHALL", RequestPolicy::AllShards, ResponsePolicy::AllSucceeded);
    check("SCRIPT EXISTS a", RequestPolicy::AllShards, ResponsePolicy::And);
    check("SCRIPT KILL", RequestPolicy::AllShards, ResponsePolicy::OneSucceeded);
    check("WAIT 1 1", RequestPolicy::AllShards, ResponsePolicy::Min);
    check("SCAN 0", RequestPolicy::Special, ResponsePolicy::Special);
    check("CONFIG SET a b", RequestPolicy::AllNodes, ResponsePolicy::AllSucceeded);
    assert_eq!(row("GET a").unwrap().access(), Access::Read);
    assert_eq!(row("SET a b").unwrap().access(), Access::Write);
    assert_eq!(row("EVAL a 0").unwrap().access(), Access::Neither);
}

#[test]
fn effects_are_told() {
    let check = |words: &str, effect: Effect| {
        let words: Vec<&str> = words.split(' ').collect();
        let found = with_command(&words, |command| table::resolve(command).unwrap().effect(command));
        assert_eq!(found, effect, "{words:?}");
    };
    check("GET a", Effect::Plain);
    check("PUBLISH a b", Effect::Plain);
    check("EVAL x 0", Effect::Plain);
    check("SCRIPT LOAD x", Effect::Plain);
    check("BLPOP a 0", Effect::Blocks);
    check("BZMPOP 0 1 a MIN", Effect::Blocks);
    check("XREAD STREAMS block 0", Effect::Plain);
    check("XREAD COUNT 1 block 0 STREAMS a 0", Effect::Blocks);
    check("XREADGROUP GROUP block c STREAMS a 0", Effect::Plain);
    check("XREADGROUP GROUP g c NOACK BLOCK 1 STREAMS a 0", Effect::Blocks);
    check("WAIT 1 0", Effect::Waits);
    check("MULTI", Effect::Multi);
    check("WATCH a", Effect::Watch);
    check("SELECT 1", Effect::Select);
    check("AUTH a b", Effect::Auth);
    check("HELLO 3", Effect::Hello);
    check("CLIENT SETNAME a", Effect::Name);
    check("client id", Effect::Identity);
    check("CLIENT REPLY OFF", Effect::Reply);
    check("CLIENT NO-EVICT on", Effect::Mode);
    check("CLIENT TRACKING on", Effect::Tracking);
    check("CLIENT KILL a", Effect::Clients);
    check("READONLY", Effect::ReadOnly);
    check("ASKING", Effect::Asking);
    check("CLUSTER SLOTS", Effect::Topology);
    check("CLUSTER KEYSLOT a", Effect::Plain);
    check("SCRIPT DEBUG YES", Effect::Debugger);
    check("SUBSCRIBE a", Effect::Subscribe(Channels::Named));
    check("SSUBSCRIBE a", Effect::Subscribe(Channels::Shard));
    check("PUNSUBSCRIBE", Effect::Unsubscribe(Channels::Pattern));
    check("MONITOR", Effect::Monitor);
    check("PSYNC ? -1", Effect::Replication);
    check("RESET", Effect::Reset);
    check("QUIT", Effect::Quit);
    assert_eq!(Effect::of_unknown(b"Host:"), Effect::CrossProtocol);
    assert_eq!(Effect::of_unknown(b"json.get"), Effect::Plain);
}

/// A command of a newer server that is marked as one that may make state is not taken for plain by default.
#[test]
fn no_effect_is_overlooked() {
    const PLAIN: &[&str] = &[
        "client|help",
        "command",
        "command|count",
        "command|docs",
        "command|getkeys",
        "command|getkeysandflags",
        "command|help",
        "command|info",
        "command|list",
        "echo",
        "ping",
        "publish",
        "spublish",
        "pubsub|channels",
        "pubsub|help",
        "pubsub|numpat",
        "pubsub|numsub",
        "pubsub|shardchannels",
        "pubsub|shardnumsub",
        "client",
        "pubsub",
    ];
    let all = table::commands()
        .iter()
        .flat_map(|row| std::iter::once(row).chain(row.subcommands));
    let marked = all.filter(|row| {
        row.flags.has(Flags::BLOCKING)
            || row.flags.has(Flags::PUBSUB)
            || row.flags.has(Flags::NO_AUTH)
            || row.categories.has(Categories::CONNECTION)
            || row.categories.has(Categories::TRANSACTION)
            || row.categories.has(Categories::BLOCKING)
            || row.categories.has(Categories::PUBSUB)
    });
    let mut count = 0;
    for row in marked {
        // Without arguments XREAD is one whose option is not here, and containers are plain.
        let words: Vec<&str> = row.name.split('|').collect();
        let mut arriving = Vec::new();
        tidegate_redis_wire::request::command_head(&mut arriving, 9);
        for word in words {
            tidegate_redis_wire::request::argument(&mut arriving, word.as_bytes());
        }
        let limits = tidegate_redis_wire::request::Limits::default();
        let mut splitter = tidegate_redis_wire::request::Splitter::new(limits, false);
        let Ok(tidegate_redis_wire::request::Step::More(more)) = splitter.next(&arriving) else {
            panic!("{}", row.name);
        };
        let effect = row.effect(&more.command.unwrap());
        assert_eq!(effect == Effect::Plain, PLAIN.contains(&row.name), "{}", row.name);
        count += 1;
    }
    assert!(count > 50, "{count}");
}
