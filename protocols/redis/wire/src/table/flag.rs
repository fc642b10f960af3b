//! Sets of words that servers describe their commands by, as bits.

/// Defines a set: its bits as constants, and its words in the order in which servers say them.
macro_rules! words {
    ($(#[$about:meta])* $set:ident: $($(#[$what:meta])* $name:ident = $word:literal,)+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set(u32);

        impl $set {
            words!(@bits $set 0_u32; $($(#[$what])* $name,)+);

            /// The words in the order in which servers say them.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$name),)+];

            /// Both sets together.
            #[must_use]
            pub const fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether all of these are in it.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The words that are in it.
            pub fn words(self) -> impl Iterator<Item = &'static str> + Clone {
                Self::WORDS.iter().filter(move |(_, bit)| self.has(*bit)).map(|(word, _)| *word)
            }

            /// The set of one word.
            pub fn by_word(word: &[u8]) -> Option<Self> {
                let mut words = Self::WORDS.iter();
                words.find(|(name, _)| name.as_bytes() == word).map(|(_, bit)| *bit)
            }
        }
    };
    (@bits $set:ident $at:expr; $(#[$what:meta])* $name:ident, $($rest:tt)*) => {
        $(#[$what])*
        pub const $name: Self = Self(1 << ($at));
        words!(@bits $set $at + 1; $($rest)*);
    };
    (@bits $set:ident $at:expr;) => {
        /// None.
        pub const NONE: Self = Self(0);
    };
}

words! {
    /// What a command is like (`COMMAND`, "Flags").
    Flags:
    /// May change data.
    WRITE = "write",
    /// Changes no data.
    READONLY = "readonly",
    /// Refused when memory is full.
    DENYOOM = "denyoom",
    /// Of a module.
    MODULE = "module",
    /// For administrators.
    ADMIN = "admin",
    /// About publishing and subscribing.
    PUBSUB = "pubsub",
    /// Not for scripts.
    NOSCRIPT = "noscript",
    /// May wait.
    BLOCKING = "blocking",
    /// Allowed while the server loads its data.
    LOADING = "loading",
    /// Allowed on a stale replica.
    STALE = "stale",
    /// Not shown by MONITOR.
    SKIP_MONITOR = "skip_monitor",
    /// Not kept in the slow log.
    SKIP_SLOWLOG = "skip_slowlog",
    /// Accepted for a slot that is being imported.
    ASKING = "asking",
    /// Takes constant or logarithmic time.
    FAST = "fast",
    /// Allowed before login.
    NO_AUTH = "no_auth",
    /// Its keys are optional.
    NO_MANDATORY_KEYS = "no_mandatory_keys",
    /// Not while the server loads from a primary.
    NO_ASYNC_LOADING = "no_async_loading",
    /// Not within a transaction.
    NO_MULTI = "no_multi",
    /// Its keys stand where its arguments say.
    MOVABLE_KEYS = "movablekeys",
    /// Allowed while a script runs for too long.
    ALLOW_BUSY = "allow_busy",
}

words! {
    /// What access lists name commands by (`ACL CAT`).
    Categories:
    /// About keys of any type.
    KEYSPACE = "@keyspace",
    /// Reads data.
    READ = "@read",
    /// Writes data.
    WRITE = "@write",
    /// Of sets.
    SET = "@set",
    /// Of sorted sets.
    SORTED_SET = "@sortedset",
    /// Of lists.
    LIST = "@list",
    /// Of hashes.
    HASH = "@hash",
    /// Of strings.
    STRING = "@string",
    /// Of bitmaps.
    BITMAP = "@bitmap",
    /// Of `HyperLogLog`.
    HYPERLOGLOG = "@hyperloglog",
    /// Of places.
    GEO = "@geo",
    /// Of streams.
    STREAM = "@stream",
    /// Of channels.
    PUBSUB = "@pubsub",
    /// For administrators.
    ADMIN = "@admin",
    /// Takes constant or logarithmic time.
    FAST = "@fast",
    /// Takes longer.
    SLOW = "@slow",
    /// May wait.
    BLOCKING = "@blocking",
    /// To be kept from most.
    DANGEROUS = "@dangerous",
    /// About the connection.
    CONNECTION = "@connection",
    /// Of transactions.
    TRANSACTION = "@transaction",
    /// Of scripts.
    SCRIPTING = "@scripting",
}

words! {
    /// What a command does to a key (`COMMAND`, "Key specifications").
    KeyFlags:
    /// Reads its value or what is known of it.
    RO = "RO",
    /// Changes its value.
    RW = "RW",
    /// Replaces its value.
    OW = "OW",
    /// Removes it.
    RM = "RM",
    /// Hands out what is in it.
    ACCESS = "access",
    /// Changes what is in it.
    UPDATE = "update",
    /// Adds to it.
    INSERT = "insert",
    /// Takes from it.
    DELETE = "delete",
    /// It is no key, but decides the slot as one would.
    NOT_KEY = "not_key",
    /// There may be more keys than this says.
    INCOMPLETE = "incomplete",
    /// What happens to it depends on other arguments.
    VARIABLE = "variable_flags",
}

words! {
    /// Whose table has the command.
    Servers:
    /// Redis 7.0.
    REDIS = "redis",
    /// Valkey 8.0.
    VALKEY = "valkey",
}
