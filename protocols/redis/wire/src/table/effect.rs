use super::Row;
use crate::request::Command;

/// What a command does to the connection it runs on, which decides whether that may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing: it may run between any two others.
    Plain,
    /// Keeps everything behind it waiting until there is data, or its time is up.
    Blocks,
    /// Keeps everything behind it waiting until replicas have the writes of *this* connection.
    Waits,
    /// Begins a transaction: what follows is queued.
    Multi,
    /// Ends a transaction, and forgets watched keys.
    Exec,
    /// Gives a transaction up, and forgets watched keys.
    Discard,
    /// Watches keys for the next transaction.
    Watch,
    /// Forgets watched keys.
    Unwatch,
    /// Chooses a database.
    Select,
    /// Logs in.
    Auth,
    /// Chooses the version of the protocol, and may log in and set a name.
    Hello,
    /// Sets what the client is called: SETNAME, SETINFO.
    Name,
    /// Asks about the connection itself: its id, its name, its tracking.
    Identity,
    /// Sees or touches the connections of others, by their ids or addresses at the server.
    Clients,
    /// Changes which commands are answered at all.
    Reply,
    /// Sets how the server treats the connection until it ends: NO-EVICT, NO-TOUCH, CAPA, IMPORT-SOURCE.
    Mode,
    /// Has the server tell of changes to keys that were read.
    Tracking,
    /// Lets replicas answer.
    ReadOnly,
    /// No longer lets replicas answer.
    ReadWrite,
    /// Lets the next command meet a slot that is being imported.
    Asking,
    /// Asks how the cluster is laid out, which behind a gateway is not how the server sees it.
    Topology,
    /// Puts scripts under a debugger.
    Debugger,
    /// Listens to channels.
    Subscribe(Channels),
    /// Listens to channels no longer.
    Unsubscribe(Channels),
    /// Shows what all others do, without an end.
    Monitor,
    /// Makes the connection that of a replica.
    Replication,
    /// Undoes all of it.
    Reset,
    /// Ends the connection behind its answer.
    Quit,
    /// A line of HTTP that a browser was made to send; Redis hangs up (`server.c`, `securityWarningCommand`).
    CrossProtocol,
    /// [`Effect::Blocks`] with the option BLOCK, else [`Effect::Plain`]; commands are never told this one.
    MayBlock,
}

/// Which sort of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channels {
    /// By their names.
    Named,
    /// By a pattern.
    Pattern,
    /// Those of a shard, which have slots.
    Shard,
}

impl Effect {
    /// What a command of this name does, as far as the name says. `COMMAND` knows nothing of it, so it is written by
    /// hand.
    pub(super) const fn of(name: &str) -> Self {
        match name.as_bytes() {
            b"blpop" | b"brpop" | b"brpoplpush" | b"blmove" | b"blmpop" | b"bzpopmin" | b"bzpopmax" | b"bzmpop" => {
                Self::Blocks
            }
            b"xread" | b"xreadgroup" => Self::MayBlock,
            b"wait" | b"waitaof" => Self::Waits,
            b"multi" => Self::Multi,
            b"exec" => Self::Exec,
            b"discard" => Self::Discard,
            b"watch" => Self::Watch,
            b"unwatch" => Self::Unwatch,
            b"select" => Self::Select,
            b"auth" => Self::Auth,
            b"hello" => Self::Hello,
            b"client|setname" | b"client|setinfo" => Self::Name,
            b"client|id"
            | b"client|info"
            | b"client|getname"
            | b"client|getredir"
            | b"client|trackinginfo"
            | b"acl|whoami" => Self::Identity,
            b"client|list" | b"client|kill" | b"client|unblock" | b"client|pause" | b"client|unpause" => Self::Clients,
            b"client|reply" => Self::Reply,
            b"client|no-evict" | b"client|no-touch" | b"client|capa" | b"client|import-source" => Self::Mode,
            b"client|tracking" | b"client|caching" => Self::Tracking,
            b"readonly" => Self::ReadOnly,
            b"readwrite" => Self::ReadWrite,
            b"asking" => Self::Asking,
            b"cluster|slots" | b"cluster|shards" | b"cluster|nodes" | b"cluster|info" | b"cluster|myid"
            | b"cluster|myshardid" | b"cluster|replicas" | b"cluster|slaves" | b"cluster|links" => Self::Topology,
            b"script|debug" => Self::Debugger,
            b"monitor" => Self::Monitor,
            b"sync" | b"psync" | b"replconf" => Self::Replication,
            b"reset" => Self::Reset,
            b"quit" => Self::Quit,
            other => Self::of_channels(other),
        }
    }

    const fn of_channels(name: &[u8]) -> Self {
        match name {
            b"subscribe" => Self::Subscribe(Channels::Named),
            b"psubscribe" => Self::Subscribe(Channels::Pattern),
            b"ssubscribe" => Self::Subscribe(Channels::Shard),
            b"unsubscribe" => Self::Unsubscribe(Channels::Named),
            b"punsubscribe" => Self::Unsubscribe(Channels::Pattern),
            b"sunsubscribe" => Self::Unsubscribe(Channels::Shard),
            _ => Self::Plain,
        }
    }

    /// What a command that is in no table does. One of a module is taken for plain, since its name tells nothing.
    pub fn of_unknown(name: &[u8]) -> Self {
        if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
            Self::CrossProtocol
        } else {
            Self::Plain
        }
    }
}

impl Row {
    /// What a command of this name does, as far as its name says.
    pub fn effect_by_name(&self) -> Effect {
        self.effect
    }

    /// What this command does to the connection it runs on. Within a transaction nothing blocks; that is for the
    /// caller to know. A command whose option is not here yet is taken for the one that blocks.
    #[inline]
    pub fn effect(&self, command: &Command<'_>) -> Effect {
        match self.effect {
            Effect::MayBlock if blocks(command) => Effect::Blocks,
            Effect::MayBlock => Effect::Plain,
            effect => effect,
        }
    }
}

/// Whether XREAD or XREADGROUP has the option BLOCK (`t_stream.c`, `xreadCommand`).
fn blocks(command: &Command<'_>) -> bool {
    let mut arguments = command.arguments_from(1);
    while let Some(argument) = arguments.next() {
        let is = |word: &[u8]| argument.eq_ignore_ascii_case(word);
        let skip = match () {
            () if is(b"BLOCK") => return true,
            () if is(b"STREAMS") => return false,
            () if is(b"COUNT") => 1,
            () if is(b"GROUP") => 2,
            () => 0,
        };
        for _ in 0..skip {
            arguments.next();
        }
    }
    !command.is_whole()
}
