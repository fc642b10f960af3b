use tidegate_redis_wire::table::{RequestPolicy, ResponsePolicy, Row};

use super::Which::{self, Nodes, Primaries};
use super::merge::Merge;
use crate::shown;

/// Where a command without keys goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// Any primary's answer will do, or the session answers before.
    Any,
    /// To all of these.
    All(Which, Merge),
    /// It has no meaning over several servers.
    Error(&'static str),
    /// SCAN.
    Scan,
    /// A slot stands at the second argument.
    Slot,
    /// Its arguments are channels.
    Channels,
    /// Its arguments are patterns of channels, which are everywhere; what clients of plain servers are told.
    Patterns(&'static str),
}

const OTHERS: &str = "ERR behind this gateway are several servers, whose connections are not its clients";
const ONE_SERVER: &str = "ERR this is about one server, and behind this gateway are several; ask the server itself";
const ADMINISTERED: &str = "ERR the servers behind this gateway are administered at the servers themselves";
const MODE: &str = "ERR this sets up a connection to one server, and behind this gateway are several";
const SWAPDB: &str = "ERR databases of several servers cannot be swapped at once";
pub(crate) const PATTERNS: &str = "ERR patterns of channels do not work over several servers; name the channels";

/// The rule of a command without keys: by its name, else by what its server advises (command tips). `None` when
/// neither says anything.
pub(super) fn of(row: &Row) -> Option<Rule> {
    by_name(row.name).or_else(|| by_tips(row))
}

fn by_name(name: &str) -> Option<Rule> {
    if name.ends_with("|help") || name == "command" || name.starts_with("command|") {
        return Some(Rule::Any);
    }
    connection(name)
        .or_else(|| administration(name))
        .or_else(|| cluster(name))
        .or_else(|| data(name))
        .or_else(|| several(name))
}

/// What is about the client's connection: the session knows what to do with it before it asks where it goes.
fn connection(name: &str) -> Option<Rule> {
    Some(match name {
        "auth" | "hello" | "select" | "reset" | "quit" | "readonly" | "readwrite" | "asking" => Rule::Any,
        "multi" | "exec" | "discard" | "unwatch" => Rule::Any,
        "unsubscribe" | "punsubscribe" => Rule::Any,
        "client|setname" | "client|setinfo" | "client|getname" | "client|id" | "client|info" => Rule::Any,
        "client|getredir" | "client|trackinginfo" | "client|reply" | "acl|whoami" => Rule::Any,
        // Where a client's keys are on several servers, so would be what such a mode changes.
        "client|tracking" | "client|caching" | "client|no-evict" | "client|no-touch" | "client|capa" => {
            Rule::Error(MODE)
        }
        "client|import-source" => Rule::Error(MODE),
        "client|list" | "client|kill" | "client|unblock" | "client|pause" | "client|unpause" => Rule::Error(OTHERS),
        "subscribe" | "publish" => Rule::Channels,
        "psubscribe" => Rule::Patterns(PATTERNS),
        _ => return None,
    })
}

/// What changes servers or shows the inside of one.
fn administration(name: &str) -> Option<Rule> {
    Some(match name {
        "shutdown" | "failover" | "replicaof" | "slaveof" | "debug" | "script|debug" => Rule::Error(ADMINISTERED),
        "module|load" | "module|loadex" | "module|unload" => Rule::Error(ADMINISTERED),
        "sync" | "psync" | "replconf" | "monitor" => Rule::Error(ONE_SERVER),
        // Cumulative counts over buckets that differ from server to server.
        "latency|histogram" => Rule::Error(ONE_SERVER),
        "swapdb" => Rule::Error(SWAPDB),
        // What was set through the gateway is the same everywhere.
        "acl|cat" | "acl|dryrun" | "acl|genpass" | "acl|getuser" | "acl|list" | "acl|users" => Rule::Any,
        "config|get" | "module|list" | "pfselftest" => Rule::Any,
        "save" | "bgsave" | "bgrewriteaof" | "acl|load" => Rule::All(Nodes, Merge::First),
        "acl|log" => Rule::All(Nodes, Merge::Joined),
        _ => return None,
    })
}

fn cluster(name: &str) -> Option<Rule> {
    Some(match name.strip_prefix("cluster|")? {
        "countkeysinslot" | "getkeysinslot" => Rule::Slot,
        "slot-stats" => Rule::Error(ONE_SERVER),
        // What is shown of a cluster is the gateway's to say (`shown`).
        "slots" | "shards" | "nodes" | "info" | "myid" | "myshardid" | "replicas" | "slaves" | "links" => Rule::Any,
        "keyslot" | "count-failure-reports" => Rule::Any,
        "addslots" | "addslotsrange" | "bumpepoch" | "delslots" | "delslotsrange" | "failover" => {
            Rule::Error(shown::ADMINISTERED)
        }
        "flushslots" | "forget" | "meet" | "replicate" | "reset" | "saveconfig" => Rule::Error(shown::ADMINISTERED),
        "set-config-epoch" | "setslot" => Rule::Error(shown::ADMINISTERED),
        _ => return None,
    })
}

/// What any one server can say.
fn data(name: &str) -> Option<Rule> {
    Some(match name {
        "scan" => Rule::Scan,
        // Tips send PING to all shards; a client that pings asks whether the gateway is there.
        "ping" | "echo" | "time" | "lolwut" => Rule::Any,
        // Loaded on all.
        "function|list" | "function|dump" | "script|show" => Rule::Any,
        _ => return None,
    })
}

/// What all are asked, where tips are silent or only say that it is special.
fn several(name: &str) -> Option<Rule> {
    Some(match name {
        "lastsave" => Rule::All(Primaries, Merge::Min),
        "randomkey" => Rule::All(Primaries, Merge::Pick),
        "info" => Rule::All(Primaries, Merge::Info),
        "role" => Rule::All(Primaries, Merge::Role),
        "function|stats" => Rule::All(Primaries, Merge::Busy),
        "memory|stats" => Rule::All(Primaries, Merge::Stats),
        "memory|doctor" | "memory|malloc-stats" => Rule::All(Primaries, Merge::Texts),
        "latency|doctor" | "latency|graph" => Rule::All(Nodes, Merge::Texts),
        "latency|history" | "latency|latest" => Rule::All(Nodes, Merge::Joined),
        // The tip says the smallest, of a reply with two numbers.
        "waitaof" => Rule::All(Primaries, Merge::MinEach),
        "script|exists" => Rule::All(Primaries, Merge::AndEach),
        // Subscribers of a cluster may be at any node.
        "pubsub|channels" | "pubsub|shardchannels" => Rule::All(Nodes, Merge::Union),
        "pubsub|numsub" | "pubsub|shardnumsub" => Rule::All(Nodes, Merge::SumPairs),
        "pubsub|numpat" => Rule::All(Nodes, Merge::Sum),
        _ => return None,
    })
}

fn by_tips(row: &Row) -> Option<Rule> {
    let which = match row.request_policy() {
        RequestPolicy::AllNodes => Nodes,
        RequestPolicy::AllShards => Primaries,
        RequestPolicy::ByKeys | RequestPolicy::MultiShard | RequestPolicy::Special => return None,
    };
    let merge = match row.response_policy() {
        ResponsePolicy::Joined => Merge::Joined,
        ResponsePolicy::OneSucceeded => Merge::OneSucceeded,
        ResponsePolicy::AllSucceeded => Merge::First,
        ResponsePolicy::Min => Merge::Min,
        ResponsePolicy::Sum => Merge::Sum,
        ResponsePolicy::And | ResponsePolicy::Or | ResponsePolicy::Max | ResponsePolicy::Special => return None,
    };
    Some(Rule::All(which, merge))
}

#[cfg(test)]
mod tests {
    use tidegate_redis_wire::table;

    use super::*;

    fn rows() -> Vec<&'static Row> {
        let all = table::commands().iter();
        // COMMAND is a command and has subcommands; other containers are too short without one.
        let own = |row: &&Row| row.subcommands.is_empty() || row.accepts(1);
        let of = |row: &'static Row| std::iter::once(row).filter(own).chain(row.subcommands);
        all.flat_map(of).collect()
    }

    /// Every command of both servers has a decided way: by its keys, by its name or by its tips.
    #[test]
    fn every_command_is_decided() {
        let undecided: Vec<_> = rows()
            .into_iter()
            .filter(|row| row.keys.is_empty() && of(row).is_none())
            .collect();
        assert!(undecided.is_empty(), "{undecided:?}");
        assert!(rows().len() > 350);
    }

    #[test]
    fn writes_never_go_to_just_any_server() {
        for row in rows().into_iter().filter(|row| row.keys.is_empty()) {
            let writes = row.access() == table::Access::Write;
            assert!(!(writes && of(row) == Some(Rule::Any)), "{row:?}");
        }
    }

    #[test]
    fn tips_are_followed() {
        let of = |name: &str| rows().into_iter().find(|row| row.name == name).and_then(of);
        assert_eq!(of("dbsize"), Some(Rule::All(Primaries, Merge::Sum)));
        assert_eq!(of("keys"), Some(Rule::All(Primaries, Merge::Joined)));
        assert_eq!(of("flushall"), Some(Rule::All(Primaries, Merge::First)));
        assert_eq!(of("script|load"), Some(Rule::All(Nodes, Merge::First)));
        assert_eq!(of("script|kill"), Some(Rule::All(Primaries, Merge::OneSucceeded)));
        assert_eq!(of("acl|setuser"), Some(Rule::All(Nodes, Merge::First)));
        assert_eq!(of("wait"), Some(Rule::All(Primaries, Merge::Min)));
        assert_eq!(of("slowlog|get"), Some(Rule::All(Nodes, Merge::Joined)));
    }
}
