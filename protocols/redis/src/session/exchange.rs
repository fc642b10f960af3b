use tidegate_base::Refusal;
use tidegate_chain::{Exchange, Facts, Flags, Statement, Verb};
use tidegate_redis_wire::reply::{Version, Writer};
use tidegate_redis_wire::table::{Access, Categories, Effect, Flags as RowFlags, Row};

use crate::login;

/// A command, as transforms see it.
pub(super) struct Request<'a> {
    bytes: &'a [u8],
    statement: Statement<'a>,
    space: &'a str,
    user: &'a str,
    version: Version,
    flags: Flags,
    /// A step's answer.
    pub(super) answer: Option<Vec<u8>>,
}

/// What a session knows that its commands do not say.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) space: &'a str,
    pub(super) user: &'a str,
    pub(super) version: Version,
    pub(super) in_transaction: bool,
    /// Only the beginning of the command is here.
    pub(super) truncated: bool,
}

impl<'a> Request<'a> {
    /// `name` is the command's first word, `row` what the table has of it.
    pub(super) fn new(bytes: &'a [u8], name: &'a [u8], row: Option<&Row>, known: Known<'a>) -> Self {
        Self {
            bytes,
            statement: Statement {
                verb: row.map_or(Verb::Unknown, verb),
                text: name,
                fingerprint: 0,
            },
            space: known.space,
            user: known.user,
            version: known.version,
            flags: Flags {
                in_transaction: known.in_transaction,
                truncated: known.truncated,
                continues: false,
            },
            answer: None,
        }
    }
}

impl Exchange for Request<'_> {
    fn facts(&mut self) -> Facts<'_> {
        Facts {
            statements: std::slice::from_ref(&self.statement),
            space: self.space,
            user: self.user,
            flags: self.flags,
        }
    }

    fn request(&self) -> &[u8] {
        self.bytes
    }

    fn refuse(&mut self, refusal: Refusal) {
        let mut words = Vec::new();
        Writer::new(&mut words, self.version).error(&login::words(&refusal));
        self.answer = Some(words);
    }

    fn replay(&mut self, reply: &[u8]) {
        self.answer = Some(reply.to_vec());
    }
}

/// What a command does, in words that all protocols share. A script may write, unless its command says that it does not.
fn verb(row: &Row) -> Verb {
    match row.access() {
        Access::Read => return Verb::Read,
        Access::Write => return Verb::Write,
        Access::Neither => {}
    }
    match row.effect_by_name() {
        Effect::Multi | Effect::Exec | Effect::Discard | Effect::Watch | Effect::Unwatch => Verb::Transaction,
        _ if row.categories.has(Categories::PUBSUB) => Verb::Publish,
        _ if row.categories.has(Categories::SCRIPTING) && !row.keys.is_empty() => Verb::Write,
        _ if row.categories.has(Categories::CONNECTION) => Verb::Session,
        _ if row.flags.has(RowFlags::ADMIN) || row.categories.has(Categories::DANGEROUS) => Verb::Administer,
        _ => Verb::Unknown,
    }
}
