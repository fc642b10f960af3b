use std::ops::Range;

use tidegate_redis_wire::request::{self, Command};
use tidegate_redis_wire::table::Row;

use super::merge::Merge;
use super::{Asker, Buckets, Way};

/// A command for several servers, and how their replies become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scatter {
    /// All pieces, one behind the other; without pieces the whole command.
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    merge: Merge,
}

/// A command with the keys of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    bucket: u16,
    range: Range<usize>,
}

/// Commands whose keys may be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// MGET: a value for each key.
    Values,
    /// MSET: keys with values.
    Pairs,
    /// DEL and its kin: how many keys it was done to.
    Counts,
}

impl Scatter {
    /// The whole command, for several servers.
    pub(super) fn whole(command: &Command<'_>, merge: Merge) -> Self {
        Self {
            bytes: command.bytes().to_vec(),
            pieces: Vec::new(),
            merge,
        }
    }

    /// The pieces of [`Way::Parts`], each with its bucket: whole commands, in the order in which
    /// [`Self::merge`] wants their replies.
    pub(crate) fn pieces(&self) -> impl ExactSizeIterator<Item = (u16, &[u8])> {
        let bytes = |piece: &Piece| self.bytes.get(piece.range.clone()).unwrap_or_default();
        self.pieces.iter().map(move |piece| (piece.bucket, bytes(piece)))
    }

    /// What everyone gets, of [`Way::All`].
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes one reply of several, each whole and without anything behind it. Replies to pieces are in the order of the
    /// pieces. An error among them is the reply, the first in order, even where others have done their part; replies
    /// that do not fit together are an error too.
    pub(crate) fn merge(&self, asker: &Asker, replies: &[&[u8]], out: &mut Vec<u8>) {
        self.merge.run(asker, replies, out);
    }
}

impl Split {
    /// How the command of this name is taken apart. MSETNX is not: it does all or nothing.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "mget" => Some(Self::Values),
            "mset" => Some(Self::Pairs),
            "del" | "unlink" | "exists" | "touch" => Some(Self::Counts),
            _ => None,
        }
    }

    /// How many arguments a key takes with what belongs to it.
    fn width(self) -> usize {
        if self == Self::Pairs { 2 } else { 1 }
    }

    pub(super) fn way(self, row: &Row, command: &Command<'_>, buckets: &impl Buckets) -> Way {
        let arguments: Vec<&[u8]> = command.arguments_from(1).collect();
        if !arguments.len().is_multiple_of(self.width()) {
            // No server would see the odd one out (`t_string.c`, `msetGenericCommand`).
            return Way::Error(format!("ERR wrong number of arguments for '{}' command", row.name).into());
        }
        Way::Parts(self.parts(command.name(), &arguments, buckets))
    }

    fn parts(self, name: &[u8], arguments: &[&[u8]], buckets: &impl Buckets) -> Scatter {
        let groups: Vec<&[&[u8]]> = arguments.chunks(self.width()).collect();
        let bucket = |group: &&[&[u8]]| group.first().map_or(0, |key| buckets.bucket(key));
        let mut places: Vec<(u16, usize)> = groups.iter().map(bucket).zip(0..).collect();
        // Keys keep their order within a piece: of a key that MSET names twice, the last value counts.
        places.sort_unstable();
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        for run in places.chunk_by(|one, next| one.0 == next.0) {
            let start = bytes.len();
            request::command_head(&mut bytes, 1 + run.len() * self.width());
            request::argument(&mut bytes, name);
            for (_, index) in run {
                for text in groups.get(*index).copied().unwrap_or_default() {
                    request::argument(&mut bytes, text);
                }
            }
            let bucket = run.first().map_or(0, |(bucket, _)| *bucket);
            let range = start..bytes.len();
            pieces.push(Piece { bucket, range });
        }
        let merge = match self {
            Self::Values => Merge::Placed(places.into_iter().map(|(_, index)| index).collect()),
            Self::Pairs => Merge::First,
            Self::Counts => Merge::Sum,
        };
        Scatter { bytes, pieces, merge }
    }
}
