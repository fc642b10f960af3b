//! Made by `cargo xtask redis-commands` from the servers' own COMMAND and COMMAND DOCS. Do not edit.

#![cfg_attr(rustfmt, rustfmt_skip)] // one line for each command

use super::make::{count, index, key, keyword, noted, range, row};
use super::{Begin, Categories as C, Find, Flags as F, KeyFlags as K, KeySpec, Row, Servers as S};

const NO_SUBCOMMANDS: &[Row] = &[];

const KEY_0: KeySpec = key(K::RW.or(K::INSERT), index(1), range(0, 1, 0));

const KEY_1: KeySpec = key(K::RO.or(K::ACCESS), index(1), range(0, 1, 0));

const KEY_2: KeySpec = noted("This command allows both access and modification of the key", key(K::RW.or(K::ACCESS).or(K::UPDATE).or(K::VARIABLE), index(1), range(0, 1, 0)));

const KEY_3: KeySpec = key(K::OW.or(K::UPDATE), index(2), range(0, 1, 0));

const KEY_4: KeySpec = key(K::RO.or(K::ACCESS), index(3), range(-1, 1, 0));

const KEY_5: KeySpec = key(K::RW.or(K::ACCESS).or(K::DELETE), index(1), range(0, 1, 0));

const KEY_6: KeySpec = key(K::RW.or(K::INSERT), index(2), range(0, 1, 0));

const KEY_7: KeySpec = key(K::RW.or(K::ACCESS).or(K::DELETE), index(2), count(0, 1, 1));

const KEY_8: KeySpec = key(K::RW.or(K::ACCESS).or(K::DELETE), index(1), range(-2, 1, 0));

const KEY_9: KeySpec = key(K::RW.or(K::ACCESS).or(K::UPDATE), index(1), range(0, 1, 0));

const KEY_10: KeySpec = key(K::RM.or(K::DELETE), index(1), range(-1, 1, 0));

const KEY_11: KeySpec = noted("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE", key(K::RW.or(K::ACCESS).or(K::UPDATE), index(2), count(0, 1, 1)));

const KEY_12: KeySpec = noted("We cannot tell how the keys will be used so we assume the worst, RO and ACCESS", key(K::RO.or(K::ACCESS), index(2), count(0, 1, 1)));

const KEY_13: KeySpec = key(K::RW.or(K::ACCESS).or(K::UPDATE), index(2), count(0, 1, 1));

const KEY_14: KeySpec = key(K::RO.or(K::ACCESS), index(2), count(0, 1, 1));

const KEY_15: KeySpec = key(K::RO, index(1), range(-1, 1, 0));

const KEY_16: KeySpec = key(K::RW.or(K::UPDATE), index(1), range(0, 1, 0));

const KEY_17: KeySpec = key(K::OW.or(K::UPDATE), keyword("STORE", 6), range(0, 1, 0));

const KEY_18: KeySpec = key(K::OW.or(K::UPDATE), keyword("STOREDIST", 6), range(0, 1, 0));

const KEY_19: KeySpec = key(K::OW.or(K::UPDATE), keyword("STORE", 5), range(0, 1, 0));

const KEY_20: KeySpec = key(K::OW.or(K::UPDATE), keyword("STOREDIST", 5), range(0, 1, 0));

const KEY_21: KeySpec = key(K::OW.or(K::UPDATE), index(1), range(0, 1, 0));

const KEY_22: KeySpec = key(K::RO.or(K::ACCESS), index(2), range(0, 1, 0));

const KEY_23: KeySpec = noted("RW and UPDATE because it changes the TTL", key(K::RW.or(K::ACCESS).or(K::UPDATE), index(1), range(0, 1, 0)));

const KEY_24: KeySpec = key(K::RW.or(K::DELETE), index(1), range(0, 1, 0));

const KEY_25: KeySpec = key(K::RO, index(1), range(0, 1, 0));

const KEY_26: KeySpec = key(K::RO.or(K::ACCESS), index(1), range(1, 1, 0));

const KEY_27: KeySpec = key(K::RW.or(K::ACCESS).or(K::DELETE), index(1), count(0, 1, 1));

const KEY_28: KeySpec = key(K::RO, index(2), range(0, 1, 0));

const KEY_29: KeySpec = key(K::RO.or(K::ACCESS), index(1), range(-1, 1, 0));

const KEY_30: KeySpec = key(K::RW.or(K::ACCESS).or(K::DELETE), index(3), range(0, 1, 0));

const KEY_31: KeySpec = key(K::RW.or(K::ACCESS).or(K::DELETE).or(K::INCOMPLETE), keyword("KEYS", -2), range(-1, 1, 0));

const KEY_32: KeySpec = key(K::OW.or(K::UPDATE), index(1), range(-1, 2, 0));

const KEY_33: KeySpec = key(K::OW.or(K::INSERT), index(1), range(-1, 2, 0));

const KEY_34: KeySpec = noted("RW because it may change the internal representation of the key, and propagate to replicas", key(K::RW.or(K::ACCESS), index(1), range(-1, 1, 0)));

const KEY_35: KeySpec = key(K::RW.or(K::ACCESS), index(2), range(0, 1, 0));

const KEY_36: KeySpec = key(K::RW.or(K::ACCESS).or(K::INSERT), index(1), range(0, 1, 0));

const KEY_37: KeySpec = key(K::RO.or(K::ACCESS), index(2), range(-1, 1, 0));

const KEY_38: KeySpec = key(K::OW.or(K::INSERT), index(2), range(0, 1, 0));

const KEY_39: KeySpec = noted("RW and ACCESS due to the optional `GET` argument", key(K::RW.or(K::ACCESS).or(K::UPDATE).or(K::VARIABLE), index(1), range(0, 1, 0)));

const KEY_40: KeySpec = key(K::OW.or(K::INSERT), index(1), range(0, 1, 0));

const KEY_41: KeySpec = key(K::RO.or(K::ACCESS), index(1), count(0, 1, 1));

const KEY_42: KeySpec = noted("For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort", key(K::RO.or(K::ACCESS), Begin::Unknown, Find::Unknown));

const KEY_43: KeySpec = noted("For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array", key(K::OW.or(K::UPDATE), Begin::Unknown, Find::Unknown));

const KEY_44: KeySpec = key(K::NOT_KEY, index(1), range(0, 1, 0));

const KEY_45: KeySpec = key(K::NOT_KEY, index(1), range(-1, 1, 0));

const KEY_46: KeySpec = noted("UPDATE instead of INSERT because of the optional trimming feature", key(K::RW.or(K::UPDATE), index(1), range(0, 1, 0)));

const KEY_47: KeySpec = key(K::RW.or(K::DELETE), index(2), range(0, 1, 0));

const KEY_48: KeySpec = key(K::RW.or(K::UPDATE), index(2), range(0, 1, 0));

const KEY_49: KeySpec = key(K::RO.or(K::ACCESS), keyword("STREAMS", 1), range(-1, 1, 2));

const KEY_50: KeySpec = key(K::RO.or(K::ACCESS), keyword("STREAMS", 4), range(-1, 1, 2));

const ACL: &[Row] = &[
    row("acl|cat", -2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|deluser", -3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|dryrun", -4, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|genpass", -2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|getuser", 3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|list", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|load", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|log", -2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|save", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|setuser", -3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|users", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("acl|whoami", 2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const CLIENT: &[Row] = &[
    row("client|caching", 3, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|capa", -3, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::VALKEY, NO_SUBCOMMANDS),
    row("client|getname", 2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|getredir", 2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|id", 2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|info", 2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|kill", -3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS).or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|list", -2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS).or(C::CONNECTION), "connection", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|no-evict", 3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS).or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|no-touch", 3, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::VALKEY, NO_SUBCOMMANDS),
    row("client|pause", -3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS).or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|reply", 3, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|setinfo", 4, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::VALKEY, NO_SUBCOMMANDS),
    row("client|setname", 3, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|tracking", -3, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|trackinginfo", 2, F::NOSCRIPT.or(F::LOADING).or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|unblock", -3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS).or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client|unpause", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS).or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const CLUSTER: &[Row] = &[
    row("cluster|addslots", -3, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|addslotsrange", -4, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|bumpepoch", 2, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|count-failure-reports", 3, F::ADMIN.or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|countkeysinslot", 3, F::STALE, (0, 0, 0), C::SLOW, "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|delslots", -3, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|delslotsrange", -4, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|failover", -2, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|flushslots", 2, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|forget", 3, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|getkeysinslot", 4, F::STALE, (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|info", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|keyslot", 3, F::STALE, (0, 0, 0), C::SLOW, "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|links", 2, F::STALE, (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|meet", -4, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|myid", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|myshardid", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output"], &[], S::VALKEY, NO_SUBCOMMANDS),
    row("cluster|nodes", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|replicas", 3, F::ADMIN.or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|replicate", 3, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|reset", -2, F::ADMIN.or(F::NOSCRIPT).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|saveconfig", 2, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|set-config-epoch", 3, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|setslot", -4, F::ADMIN.or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|shards", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|slaves", 3, F::ADMIN.or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("cluster|slot-stats", -4, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output", "request_policy:all_shards"], &[], S::VALKEY, NO_SUBCOMMANDS),
    row("cluster|slots", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "cluster", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const COMMAND: &[Row] = &[
    row("command|count", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("command|docs", -2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &["nondeterministic_output_order"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("command|getkeys", -3, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("command|getkeysandflags", -3, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("command|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("command|info", -2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &["nondeterministic_output_order"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("command|list", -2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &["nondeterministic_output_order"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const CONFIG: &[Row] = &[
    row("config|get", -3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("config|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("config|resetstat", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("config|rewrite", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("config|set", -4, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const FUNCTION: &[Row] = &[
    row("function|delete", 3, F::WRITE.or(F::NOSCRIPT), (0, 0, 0), C::WRITE.or(C::SLOW).or(C::SCRIPTING), "scripting", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|dump", 2, F::NOSCRIPT, (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|flush", -2, F::WRITE.or(F::NOSCRIPT), (0, 0, 0), C::WRITE.or(C::SLOW).or(C::SCRIPTING), "scripting", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|kill", 2, F::NOSCRIPT.or(F::ALLOW_BUSY), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &["request_policy:all_shards", "response_policy:one_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|list", -2, F::NOSCRIPT, (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &["nondeterministic_output_order"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|load", -3, F::WRITE.or(F::DENYOOM).or(F::NOSCRIPT), (0, 0, 0), C::WRITE.or(C::SLOW).or(C::SCRIPTING), "scripting", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|restore", -3, F::WRITE.or(F::DENYOOM).or(F::NOSCRIPT), (0, 0, 0), C::WRITE.or(C::SLOW).or(C::SCRIPTING), "scripting", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function|stats", 2, F::NOSCRIPT.or(F::ALLOW_BUSY), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const LATENCY: &[Row] = &[
    row("latency|doctor", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("latency|graph", 3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("latency|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("latency|histogram", -2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("latency|history", 3, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("latency|latest", 2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("latency|reset", -2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:agg_sum"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const MEMORY: &[Row] = &[
    row("memory|doctor", 2, F::NONE, (0, 0, 0), C::SLOW, "server", &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("memory|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("memory|malloc-stats", 2, F::NONE, (0, 0, 0), C::SLOW, "server", &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("memory|purge", 2, F::NONE, (0, 0, 0), C::SLOW, "server", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("memory|stats", 2, F::NONE, (0, 0, 0), C::SLOW, "server", &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("memory|usage", -3, F::READONLY, (2, 2, 1), C::READ.or(C::SLOW), "server", &[], &[KEY_28], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const MODULE: &[Row] = &[
    row("module|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("module|list", 2, F::ADMIN.or(F::NOSCRIPT), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["nondeterministic_output_order"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("module|load", -3, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("module|loadex", -3, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("module|unload", 3, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const OBJECT: &[Row] = &[
    row("object|encoding", 3, F::READONLY, (2, 2, 1), C::KEYSPACE.or(C::READ).or(C::SLOW), "generic", &["nondeterministic_output"], &[KEY_28], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("object|freq", 3, F::READONLY, (2, 2, 1), C::KEYSPACE.or(C::READ).or(C::SLOW), "generic", &["nondeterministic_output"], &[KEY_28], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("object|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::KEYSPACE.or(C::SLOW), "generic", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("object|idletime", 3, F::READONLY, (2, 2, 1), C::KEYSPACE.or(C::READ).or(C::SLOW), "generic", &["nondeterministic_output"], &[KEY_28], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("object|refcount", 3, F::READONLY, (2, 2, 1), C::KEYSPACE.or(C::READ).or(C::SLOW), "generic", &["nondeterministic_output"], &[KEY_28], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const PUBSUB: &[Row] = &[
    row("pubsub|channels", -2, F::PUBSUB.or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pubsub|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pubsub|numpat", 2, F::PUBSUB.or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pubsub|numsub", -2, F::PUBSUB.or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pubsub|shardchannels", -2, F::PUBSUB.or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pubsub|shardnumsub", -2, F::PUBSUB.or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const SCRIPT: &[Row] = &[
    row("script|debug", 3, F::NOSCRIPT, (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("script|exists", -3, F::NOSCRIPT, (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &["request_policy:all_shards", "response_policy:agg_logical_and"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("script|flush", -2, F::NOSCRIPT, (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("script|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("script|kill", 2, F::NOSCRIPT.or(F::ALLOW_BUSY), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &["request_policy:all_shards", "response_policy:one_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("script|load", 3, F::NOSCRIPT.or(F::STALE), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("script|show", 3, F::NOSCRIPT, (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[], S::VALKEY, NO_SUBCOMMANDS),
];

const SLOWLOG: &[Row] = &[
    row("slowlog|get", -2, F::ADMIN.or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("slowlog|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("slowlog|len", 2, F::ADMIN.or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("slowlog|reset", 2, F::ADMIN.or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_nodes", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const XGROUP: &[Row] = &[
    row("xgroup|create", -5, F::WRITE.or(F::DENYOOM), (2, 2, 1), C::WRITE.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_6], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xgroup|createconsumer", 5, F::WRITE.or(F::DENYOOM), (2, 2, 1), C::WRITE.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_6], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xgroup|delconsumer", 5, F::WRITE, (2, 2, 1), C::WRITE.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_47], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xgroup|destroy", 4, F::WRITE, (2, 2, 1), C::WRITE.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_47], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xgroup|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::STREAM.or(C::SLOW), "stream", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xgroup|setid", -5, F::WRITE, (2, 2, 1), C::WRITE.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_48], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

const XINFO: &[Row] = &[
    row("xinfo|consumers", 4, F::READONLY, (2, 2, 1), C::READ.or(C::STREAM).or(C::SLOW), "stream", &["nondeterministic_output"], &[KEY_22], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xinfo|groups", 3, F::READONLY, (2, 2, 1), C::READ.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_22], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xinfo|help", 2, F::LOADING.or(F::STALE), (0, 0, 0), C::STREAM.or(C::SLOW), "stream", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xinfo|stream", -3, F::READONLY, (2, 2, 1), C::READ.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_22], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];

/// All commands, by their names.
pub(super) const COMMANDS: &[Row] = &[
    row("acl", -2, F::NONE, (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), ACL),
    row("append", 3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("asking", 1, F::FAST, (0, 0, 0), C::FAST.or(C::CONNECTION), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("auth", -2, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::NO_AUTH).or(F::ALLOW_BUSY), (0, 0, 0), C::FAST.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bgrewriteaof", 1, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bgsave", -1, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bitcount", -2, F::READONLY, (1, 1, 1), C::READ.or(C::BITMAP).or(C::SLOW), "bitmap", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bitfield", -2, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::BITMAP).or(C::SLOW), "bitmap", &[], &[KEY_2], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bitfield_ro", -2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::BITMAP).or(C::FAST), "bitmap", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bitop", -4, F::WRITE.or(F::DENYOOM), (2, -1, 1), C::WRITE.or(C::BITMAP).or(C::SLOW), "bitmap", &[], &[KEY_3, KEY_4], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bitpos", -3, F::READONLY, (1, 1, 1), C::READ.or(C::BITMAP).or(C::SLOW), "bitmap", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("blmove", 6, F::WRITE.or(F::DENYOOM).or(F::BLOCKING), (1, 2, 1), C::WRITE.or(C::LIST).or(C::SLOW).or(C::BLOCKING), "list", &[], &[KEY_5, KEY_6], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("blmpop", -5, F::WRITE.or(F::BLOCKING).or(F::MOVABLE_KEYS), (0, 0, 0), C::WRITE.or(C::LIST).or(C::SLOW).or(C::BLOCKING), "list", &[], &[KEY_7], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("blpop", -3, F::WRITE.or(F::BLOCKING), (1, -2, 1), C::WRITE.or(C::LIST).or(C::SLOW).or(C::BLOCKING), "list", &[], &[KEY_8], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("brpop", -3, F::WRITE.or(F::BLOCKING), (1, -2, 1), C::WRITE.or(C::LIST).or(C::SLOW).or(C::BLOCKING), "list", &[], &[KEY_8], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("brpoplpush", 4, F::WRITE.or(F::DENYOOM).or(F::BLOCKING), (1, 2, 1), C::WRITE.or(C::LIST).or(C::SLOW).or(C::BLOCKING), "list", &[], &[KEY_5, KEY_6], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bzmpop", -5, F::WRITE.or(F::BLOCKING).or(F::MOVABLE_KEYS), (0, 0, 0), C::WRITE.or(C::SORTED_SET).or(C::SLOW).or(C::BLOCKING), "sorted-set", &[], &[KEY_7], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bzpopmax", -3, F::WRITE.or(F::BLOCKING).or(F::FAST), (1, -2, 1), C::WRITE.or(C::SORTED_SET).or(C::FAST).or(C::BLOCKING), "sorted-set", &[], &[KEY_8], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("bzpopmin", -3, F::WRITE.or(F::BLOCKING).or(F::FAST), (1, -2, 1), C::WRITE.or(C::SORTED_SET).or(C::FAST).or(C::BLOCKING), "sorted-set", &[], &[KEY_8], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("client", -2, F::NONE, (0, 0, 0), C::SLOW, "connection", &[], &[], S::REDIS.or(S::VALKEY), CLIENT),
    row("cluster", -2, F::NONE, (0, 0, 0), C::SLOW, "cluster", &[], &[], S::REDIS.or(S::VALKEY), CLUSTER),
    row("command", -1, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::CONNECTION), "server", &["nondeterministic_output_order"], &[], S::REDIS.or(S::VALKEY), COMMAND),
    row("config", -2, F::NONE, (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), CONFIG),
    row("copy", -3, F::WRITE.or(F::DENYOOM), (1, 2, 1), C::KEYSPACE.or(C::WRITE).or(C::SLOW), "generic", &[], &[KEY_1, KEY_3], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("dbsize", 1, F::READONLY.or(F::FAST), (0, 0, 0), C::KEYSPACE.or(C::READ).or(C::FAST), "server", &["request_policy:all_shards", "response_policy:agg_sum"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("debug", -2, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("decr", 2, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("decrby", 3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("del", -2, F::WRITE, (1, -1, 1), C::KEYSPACE.or(C::WRITE).or(C::SLOW), "generic", &["request_policy:multi_shard", "response_policy:agg_sum"], &[KEY_10], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("discard", 1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::ALLOW_BUSY), (0, 0, 0), C::FAST.or(C::TRANSACTION), "transactions", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("dump", 2, F::READONLY, (1, 1, 1), C::KEYSPACE.or(C::READ).or(C::SLOW), "generic", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("echo", 2, F::LOADING.or(F::STALE).or(F::FAST), (0, 0, 0), C::FAST.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("eval", -3, F::NOSCRIPT.or(F::STALE).or(F::SKIP_MONITOR).or(F::NO_MANDATORY_KEYS).or(F::MOVABLE_KEYS), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[KEY_11], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("eval_ro", -3, F::READONLY.or(F::NOSCRIPT).or(F::STALE).or(F::SKIP_MONITOR).or(F::NO_MANDATORY_KEYS).or(F::MOVABLE_KEYS), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[KEY_12], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("evalsha", -3, F::NOSCRIPT.or(F::STALE).or(F::SKIP_MONITOR).or(F::NO_MANDATORY_KEYS).or(F::MOVABLE_KEYS), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[KEY_13], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("evalsha_ro", -3, F::READONLY.or(F::NOSCRIPT).or(F::STALE).or(F::SKIP_MONITOR).or(F::NO_MANDATORY_KEYS).or(F::MOVABLE_KEYS), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[KEY_14], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("exec", 1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::SKIP_SLOWLOG), (0, 0, 0), C::SLOW.or(C::TRANSACTION), "transactions", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("exists", -2, F::READONLY.or(F::FAST), (1, -1, 1), C::KEYSPACE.or(C::READ).or(C::FAST), "generic", &["request_policy:multi_shard", "response_policy:agg_sum"], &[KEY_15], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("expire", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("expireat", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("expiretime", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::READ).or(C::FAST), "generic", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("failover", -1, F::ADMIN.or(F::NOSCRIPT).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("fcall", -3, F::NOSCRIPT.or(F::STALE).or(F::SKIP_MONITOR).or(F::NO_MANDATORY_KEYS).or(F::MOVABLE_KEYS), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[KEY_11], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("fcall_ro", -3, F::READONLY.or(F::NOSCRIPT).or(F::STALE).or(F::SKIP_MONITOR).or(F::NO_MANDATORY_KEYS).or(F::MOVABLE_KEYS), (0, 0, 0), C::SLOW.or(C::SCRIPTING), "scripting", &[], &[KEY_12], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("flushall", -1, F::WRITE, (0, 0, 0), C::KEYSPACE.or(C::WRITE).or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("flushdb", -1, F::WRITE, (0, 0, 0), C::KEYSPACE.or(C::WRITE).or(C::SLOW).or(C::DANGEROUS), "server", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("function", -2, F::NONE, (0, 0, 0), C::SLOW, "scripting", &[], &[], S::REDIS.or(S::VALKEY), FUNCTION),
    row("geoadd", -5, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("geodist", -4, F::READONLY, (1, 1, 1), C::READ.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("geohash", -2, F::READONLY, (1, 1, 1), C::READ.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("geopos", -2, F::READONLY, (1, 1, 1), C::READ.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("georadius", -6, F::WRITE.or(F::DENYOOM).or(F::MOVABLE_KEYS), (1, 1, 1), C::WRITE.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1, KEY_17, KEY_18], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("georadius_ro", -6, F::READONLY, (1, 1, 1), C::READ.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("georadiusbymember", -5, F::WRITE.or(F::DENYOOM).or(F::MOVABLE_KEYS), (1, 1, 1), C::WRITE.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1, KEY_19, KEY_20], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("georadiusbymember_ro", -5, F::READONLY, (1, 1, 1), C::READ.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("geosearch", -7, F::READONLY, (1, 1, 1), C::READ.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("geosearchstore", -8, F::WRITE.or(F::DENYOOM), (1, 2, 1), C::WRITE.or(C::GEO).or(C::SLOW), "geo", &[], &[KEY_21, KEY_22], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("get", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::STRING).or(C::FAST), "string", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("getbit", 3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::BITMAP).or(C::FAST), "bitmap", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("getdel", 2, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_5], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("getex", -2, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_23], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("getrange", 4, F::READONLY, (1, 1, 1), C::READ.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("getset", 3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hdel", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hello", -1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::NO_AUTH).or(F::ALLOW_BUSY), (0, 0, 0), C::FAST.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hexists", 3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hget", 3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hgetall", 2, F::READONLY, (1, 1, 1), C::READ.or(C::HASH).or(C::SLOW), "hash", &["nondeterministic_output_order"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hincrby", 4, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hincrbyfloat", 4, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hkeys", 2, F::READONLY, (1, 1, 1), C::READ.or(C::HASH).or(C::SLOW), "hash", &["nondeterministic_output_order"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hlen", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hmget", -3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hmset", -4, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hrandfield", -2, F::READONLY, (1, 1, 1), C::READ.or(C::HASH).or(C::SLOW), "hash", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hscan", -3, F::READONLY, (1, 1, 1), C::READ.or(C::HASH).or(C::SLOW), "hash", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hset", -4, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hsetnx", 4, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hstrlen", 3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::HASH).or(C::FAST), "hash", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("hvals", 2, F::READONLY, (1, 1, 1), C::READ.or(C::HASH).or(C::SLOW), "hash", &["nondeterministic_output_order"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("incr", 2, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("incrby", 3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("incrbyfloat", 3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("info", -1, F::LOADING.or(F::STALE), (0, 0, 0), C::SLOW.or(C::DANGEROUS), "server", &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("keys", 2, F::READONLY, (0, 0, 0), C::KEYSPACE.or(C::READ).or(C::SLOW).or(C::DANGEROUS), "generic", &["request_policy:all_shards", "nondeterministic_output_order"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lastsave", 1, F::LOADING.or(F::STALE).or(F::FAST), (0, 0, 0), C::ADMIN.or(C::FAST).or(C::DANGEROUS), "server", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("latency", -2, F::NONE, (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), LATENCY),
    row("lcs", -3, F::READONLY, (1, 2, 1), C::READ.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_26], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lindex", 3, F::READONLY, (1, 1, 1), C::READ.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("linsert", 5, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("llen", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::LIST).or(C::FAST), "list", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lmove", 5, F::WRITE.or(F::DENYOOM), (1, 2, 1), C::WRITE.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_5, KEY_6], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lmpop", -4, F::WRITE.or(F::MOVABLE_KEYS), (0, 0, 0), C::WRITE.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_27], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lolwut", -1, F::READONLY.or(F::FAST), (0, 0, 0), C::READ.or(C::FAST), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lpop", -2, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::LIST).or(C::FAST), "list", &[], &[KEY_5], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lpos", -3, F::READONLY, (1, 1, 1), C::READ.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lpush", -3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::LIST).or(C::FAST), "list", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lpushx", -3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::LIST).or(C::FAST), "list", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lrange", 4, F::READONLY, (1, 1, 1), C::READ.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lrem", 4, F::WRITE, (1, 1, 1), C::WRITE.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("lset", 4, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("ltrim", 4, F::WRITE, (1, 1, 1), C::WRITE.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("memory", -2, F::NONE, (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), MEMORY),
    row("mget", -2, F::READONLY.or(F::FAST), (1, -1, 1), C::READ.or(C::STRING).or(C::FAST), "string", &["request_policy:multi_shard"], &[KEY_29], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("migrate", -6, F::WRITE.or(F::MOVABLE_KEYS), (3, 3, 1), C::KEYSPACE.or(C::WRITE).or(C::SLOW).or(C::DANGEROUS), "generic", &["nondeterministic_output"], &[KEY_30, KEY_31], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("module", -2, F::NONE, (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), MODULE),
    row("monitor", 1, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("move", 3, F::WRITE.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("mset", -3, F::WRITE.or(F::DENYOOM), (1, -1, 2), C::WRITE.or(C::STRING).or(C::SLOW), "string", &["request_policy:multi_shard", "response_policy:all_succeeded"], &[KEY_32], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("msetnx", -3, F::WRITE.or(F::DENYOOM), (1, -1, 2), C::WRITE.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_33], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("multi", 1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::NO_MULTI).or(F::ALLOW_BUSY), (0, 0, 0), C::FAST.or(C::TRANSACTION), "transactions", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("object", -2, F::NONE, (0, 0, 0), C::SLOW, "generic", &[], &[], S::REDIS.or(S::VALKEY), OBJECT),
    row("persist", 2, F::WRITE.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pexpire", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pexpireat", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pexpiretime", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::READ).or(C::FAST), "generic", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pfadd", -2, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::HYPERLOGLOG).or(C::FAST), "hyperloglog", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pfcount", -2, F::READONLY, (1, -1, 1), C::READ.or(C::HYPERLOGLOG).or(C::SLOW), "hyperloglog", &[], &[KEY_34], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pfdebug", 3, F::WRITE.or(F::DENYOOM).or(F::ADMIN), (2, 2, 1), C::WRITE.or(C::HYPERLOGLOG).or(C::ADMIN).or(C::SLOW).or(C::DANGEROUS), "hyperloglog", &[], &[KEY_35], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pfmerge", -2, F::WRITE.or(F::DENYOOM), (1, -1, 1), C::WRITE.or(C::HYPERLOGLOG).or(C::SLOW), "hyperloglog", &[], &[KEY_36, KEY_37], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pfselftest", 1, F::ADMIN, (0, 0, 0), C::HYPERLOGLOG.or(C::ADMIN).or(C::SLOW).or(C::DANGEROUS), "hyperloglog", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("ping", -1, F::FAST, (0, 0, 0), C::FAST.or(C::CONNECTION), "connection", &["request_policy:all_shards", "response_policy:all_succeeded"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("psetex", 4, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_21], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("psubscribe", -2, F::PUBSUB.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("psync", -3, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING).or(F::NO_MULTI), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pttl", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::READ).or(C::FAST), "generic", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("publish", 3, F::PUBSUB.or(F::LOADING).or(F::STALE).or(F::FAST), (0, 0, 0), C::PUBSUB.or(C::FAST), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("pubsub", -2, F::NONE, (0, 0, 0), C::SLOW, "pubsub", &[], &[], S::REDIS.or(S::VALKEY), PUBSUB),
    row("punsubscribe", -1, F::PUBSUB.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("quit", -1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::NO_AUTH).or(F::ALLOW_BUSY), (0, 0, 0), C::FAST.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("randomkey", 1, F::READONLY, (0, 0, 0), C::KEYSPACE.or(C::READ).or(C::SLOW), "generic", &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("readonly", 1, F::LOADING.or(F::STALE).or(F::FAST), (0, 0, 0), C::FAST.or(C::CONNECTION), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("readwrite", 1, F::LOADING.or(F::STALE).or(F::FAST), (0, 0, 0), C::FAST.or(C::CONNECTION), "cluster", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("rename", 3, F::WRITE, (1, 2, 1), C::KEYSPACE.or(C::WRITE).or(C::SLOW), "generic", &[], &[KEY_5, KEY_3], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("renamenx", 3, F::WRITE.or(F::FAST), (1, 2, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &[], &[KEY_5, KEY_38], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("replconf", -1, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE).or(F::ALLOW_BUSY), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("replicaof", 3, F::ADMIN.or(F::NOSCRIPT).or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("reset", 1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::NO_AUTH).or(F::ALLOW_BUSY), (0, 0, 0), C::FAST.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("restore", -4, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::SLOW).or(C::DANGEROUS), "generic", &[], &[KEY_21], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("restore-asking", -4, F::WRITE.or(F::DENYOOM).or(F::ASKING), (1, 1, 1), C::KEYSPACE.or(C::WRITE).or(C::SLOW).or(C::DANGEROUS), "server", &[], &[KEY_21], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("role", 1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST), (0, 0, 0), C::ADMIN.or(C::FAST).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("rpop", -2, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::LIST).or(C::FAST), "list", &[], &[KEY_5], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("rpoplpush", 3, F::WRITE.or(F::DENYOOM), (1, 2, 1), C::WRITE.or(C::LIST).or(C::SLOW), "list", &[], &[KEY_5, KEY_6], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("rpush", -3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::LIST).or(C::FAST), "list", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("rpushx", -3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::LIST).or(C::FAST), "list", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sadd", -3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::SET).or(C::FAST), "set", &[], &[KEY_0], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("save", 1, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING).or(F::NO_MULTI), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("scan", -2, F::READONLY, (0, 0, 0), C::KEYSPACE.or(C::READ).or(C::SLOW), "generic", &["nondeterministic_output", "request_policy:special", "response_policy:special"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("scard", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SET).or(C::FAST), "set", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("script", -2, F::NONE, (0, 0, 0), C::SLOW, "scripting", &[], &[], S::REDIS.or(S::VALKEY), SCRIPT),
    row("sdiff", -2, F::READONLY, (1, -1, 1), C::READ.or(C::SET).or(C::SLOW), "set", &["nondeterministic_output_order"], &[KEY_29], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sdiffstore", -3, F::WRITE.or(F::DENYOOM), (1, -1, 1), C::WRITE.or(C::SET).or(C::SLOW), "set", &[], &[KEY_21, KEY_37], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("select", 2, F::LOADING.or(F::STALE).or(F::FAST), (0, 0, 0), C::FAST.or(C::CONNECTION), "connection", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("set", -3, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_39], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("setbit", 4, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::BITMAP).or(C::SLOW), "bitmap", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("setex", 4, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_21], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("setnx", 3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STRING).or(C::FAST), "string", &[], &[KEY_40], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("setrange", 4, F::WRITE.or(F::DENYOOM), (1, 1, 1), C::WRITE.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("shutdown", -1, F::ADMIN.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE).or(F::NO_MULTI).or(F::ALLOW_BUSY), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sinter", -2, F::READONLY, (1, -1, 1), C::READ.or(C::SET).or(C::SLOW), "set", &["nondeterministic_output_order"], &[KEY_29], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sintercard", -3, F::READONLY.or(F::MOVABLE_KEYS), (0, 0, 0), C::READ.or(C::SET).or(C::SLOW), "set", &[], &[KEY_41], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sinterstore", -3, F::WRITE.or(F::DENYOOM), (1, -1, 1), C::WRITE.or(C::SET).or(C::SLOW), "set", &[], &[KEY_21, KEY_37], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sismember", 3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SET).or(C::FAST), "set", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("slaveof", 3, F::ADMIN.or(F::NOSCRIPT).or(F::STALE).or(F::NO_ASYNC_LOADING), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("slowlog", -2, F::NONE, (0, 0, 0), C::SLOW, "server", &[], &[], S::REDIS.or(S::VALKEY), SLOWLOG),
    row("smembers", 2, F::READONLY, (1, 1, 1), C::READ.or(C::SET).or(C::SLOW), "set", &["nondeterministic_output_order"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("smismember", -3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SET).or(C::FAST), "set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("smove", 4, F::WRITE.or(F::FAST), (1, 2, 1), C::WRITE.or(C::SET).or(C::FAST), "set", &[], &[KEY_5, KEY_6], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sort", -2, F::WRITE.or(F::DENYOOM).or(F::MOVABLE_KEYS), (1, 1, 1), C::WRITE.or(C::SET).or(C::SORTED_SET).or(C::LIST).or(C::SLOW).or(C::DANGEROUS), "generic", &[], &[KEY_1, KEY_42, KEY_43], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sort_ro", -2, F::READONLY.or(F::MOVABLE_KEYS), (1, 1, 1), C::READ.or(C::SET).or(C::SORTED_SET).or(C::LIST).or(C::SLOW).or(C::DANGEROUS), "generic", &[], &[KEY_1, KEY_42], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("spop", -2, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::SET).or(C::FAST), "set", &["nondeterministic_output"], &[KEY_5], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("spublish", 3, F::PUBSUB.or(F::LOADING).or(F::STALE).or(F::FAST), (1, 1, 1), C::PUBSUB.or(C::FAST), "pubsub", &[], &[KEY_44], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("srandmember", -2, F::READONLY, (1, 1, 1), C::READ.or(C::SET).or(C::SLOW), "set", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("srem", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::SET).or(C::FAST), "set", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sscan", -3, F::READONLY, (1, 1, 1), C::READ.or(C::SET).or(C::SLOW), "set", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("ssubscribe", -2, F::PUBSUB.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (1, -1, 1), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[KEY_45], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("strlen", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::STRING).or(C::FAST), "string", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("subscribe", -2, F::PUBSUB.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("substr", 4, F::READONLY, (1, 1, 1), C::READ.or(C::STRING).or(C::SLOW), "string", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sunion", -2, F::READONLY, (1, -1, 1), C::READ.or(C::SET).or(C::SLOW), "set", &["nondeterministic_output_order"], &[KEY_29], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sunionstore", -3, F::WRITE.or(F::DENYOOM), (1, -1, 1), C::WRITE.or(C::SET).or(C::SLOW), "set", &[], &[KEY_21, KEY_37], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sunsubscribe", -1, F::PUBSUB.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (1, -1, 1), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[KEY_45], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("swapdb", 3, F::WRITE.or(F::FAST), (0, 0, 0), C::KEYSPACE.or(C::WRITE).or(C::FAST).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("sync", 1, F::ADMIN.or(F::NOSCRIPT).or(F::NO_ASYNC_LOADING).or(F::NO_MULTI), (0, 0, 0), C::ADMIN.or(C::SLOW).or(C::DANGEROUS), "server", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("time", 1, F::LOADING.or(F::STALE).or(F::FAST), (0, 0, 0), C::FAST, "server", &["nondeterministic_output"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("touch", -2, F::READONLY.or(F::FAST), (1, -1, 1), C::KEYSPACE.or(C::READ).or(C::FAST), "generic", &["request_policy:multi_shard", "response_policy:agg_sum"], &[KEY_15], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("ttl", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::READ).or(C::FAST), "generic", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("type", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::KEYSPACE.or(C::READ).or(C::FAST), "generic", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("unlink", -2, F::WRITE.or(F::FAST), (1, -1, 1), C::KEYSPACE.or(C::WRITE).or(C::FAST), "generic", &["request_policy:multi_shard", "response_policy:agg_sum"], &[KEY_10], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("unsubscribe", -1, F::PUBSUB.or(F::NOSCRIPT).or(F::LOADING).or(F::STALE), (0, 0, 0), C::PUBSUB.or(C::SLOW), "pubsub", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("unwatch", 1, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::ALLOW_BUSY), (0, 0, 0), C::FAST.or(C::TRANSACTION), "transactions", &[], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("wait", 3, F::BLOCKING, (0, 0, 0), C::SLOW.or(C::BLOCKING).or(C::CONNECTION), "generic", &["request_policy:all_shards", "response_policy:agg_min"], &[], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("waitaof", 4, F::BLOCKING, (0, 0, 0), C::SLOW.or(C::BLOCKING).or(C::CONNECTION), "generic", &["request_policy:all_shards", "response_policy:agg_min"], &[], S::VALKEY, NO_SUBCOMMANDS),
    row("watch", -2, F::NOSCRIPT.or(F::LOADING).or(F::STALE).or(F::FAST).or(F::NO_MULTI).or(F::ALLOW_BUSY), (1, -1, 1), C::FAST.or(C::TRANSACTION), "transactions", &[], &[KEY_15], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xack", -4, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::STREAM).or(C::FAST), "stream", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xadd", -5, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STREAM).or(C::FAST), "stream", &["nondeterministic_output"], &[KEY_46], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xautoclaim", -6, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::STREAM).or(C::FAST), "stream", &["nondeterministic_output"], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xclaim", -6, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::STREAM).or(C::FAST), "stream", &["nondeterministic_output"], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xdel", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::STREAM).or(C::FAST), "stream", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xgroup", -2, F::NONE, (0, 0, 0), C::SLOW, "stream", &[], &[], S::REDIS.or(S::VALKEY), XGROUP),
    row("xinfo", -2, F::NONE, (0, 0, 0), C::SLOW, "stream", &[], &[], S::REDIS.or(S::VALKEY), XINFO),
    row("xlen", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::STREAM).or(C::FAST), "stream", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xpending", -3, F::READONLY, (1, 1, 1), C::READ.or(C::STREAM).or(C::SLOW), "stream", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xrange", -4, F::READONLY, (1, 1, 1), C::READ.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xread", -4, F::READONLY.or(F::BLOCKING).or(F::MOVABLE_KEYS), (0, 0, 0), C::READ.or(C::STREAM).or(C::SLOW).or(C::BLOCKING), "stream", &[], &[KEY_49], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xreadgroup", -7, F::WRITE.or(F::BLOCKING).or(F::MOVABLE_KEYS), (0, 0, 0), C::WRITE.or(C::STREAM).or(C::SLOW).or(C::BLOCKING), "stream", &[], &[KEY_50], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xrevrange", -4, F::READONLY, (1, 1, 1), C::READ.or(C::STREAM).or(C::SLOW), "stream", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xsetid", -3, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::STREAM).or(C::FAST), "stream", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("xtrim", -4, F::WRITE, (1, 1, 1), C::WRITE.or(C::STREAM).or(C::SLOW), "stream", &["nondeterministic_output"], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zadd", -4, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_16], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zcard", 2, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_25], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zcount", 4, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zdiff", -3, F::READONLY.or(F::MOVABLE_KEYS), (0, 0, 0), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_41], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zdiffstore", -4, F::WRITE.or(F::DENYOOM).or(F::MOVABLE_KEYS), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_21, KEY_14], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zincrby", 4, F::WRITE.or(F::DENYOOM).or(F::FAST), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_9], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zinter", -3, F::READONLY.or(F::MOVABLE_KEYS), (0, 0, 0), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_41], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zintercard", -3, F::READONLY.or(F::MOVABLE_KEYS), (0, 0, 0), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_41], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zinterstore", -4, F::WRITE.or(F::DENYOOM).or(F::MOVABLE_KEYS), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_21, KEY_14], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zlexcount", 4, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zmpop", -4, F::WRITE.or(F::MOVABLE_KEYS), (0, 0, 0), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_27], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zmscore", -3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zpopmax", -2, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_5], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zpopmin", -2, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_5], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrandmember", -2, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrange", -4, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrangebylex", -4, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrangebyscore", -4, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrangestore", -5, F::WRITE.or(F::DENYOOM), (1, 2, 1), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_21, KEY_22], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrank", -3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrem", -3, F::WRITE.or(F::FAST), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zremrangebylex", 4, F::WRITE, (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zremrangebyrank", 4, F::WRITE, (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zremrangebyscore", 4, F::WRITE, (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_24], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrevrange", -4, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrevrangebylex", -4, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrevrangebyscore", -4, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zrevrank", -3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zscan", -3, F::READONLY, (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &["nondeterministic_output"], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zscore", 3, F::READONLY.or(F::FAST), (1, 1, 1), C::READ.or(C::SORTED_SET).or(C::FAST), "sorted-set", &[], &[KEY_1], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zunion", -3, F::READONLY.or(F::MOVABLE_KEYS), (0, 0, 0), C::READ.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_41], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
    row("zunionstore", -4, F::WRITE.or(F::DENYOOM).or(F::MOVABLE_KEYS), (1, 1, 1), C::WRITE.or(C::SORTED_SET).or(C::SLOW), "sorted-set", &[], &[KEY_21, KEY_14], S::REDIS.or(S::VALKEY), NO_SUBCOMMANDS),
];
