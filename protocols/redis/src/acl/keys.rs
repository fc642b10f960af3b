//! The keys and channels of a command, as access rules see them.

use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::{KeyError, KeyFlags, Row};

/// What somebody may do to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Permissions {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Permissions {
    pub(super) const ALL: Self = Self {
        read: true,
        write: true,
    };

    /// What a command needs of a key (`acl.c`, `ACLSelectorCheckKey`). One that only looks whether it is there needs
    /// neither.
    fn for_flags(flags: KeyFlags) -> Self {
        let writes = [KeyFlags::INSERT, KeyFlags::DELETE, KeyFlags::UPDATE];
        Self {
            read: flags.has(KeyFlags::ACCESS),
            write: writes.into_iter().any(|flag| flags.has(flag)),
        }
    }

    pub(super) fn include(self, needed: Self) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }
}

/// Whether a command of this kind has keys at all.
pub(super) fn has_keys(row: &Row) -> bool {
    row.keys.iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY))
}

/// The first key for which `allows` says no, as the index of an argument.
pub(super) fn first_denied(
    row: &Row,
    command: &Command<'_>,
    allows: impl Fn(&[u8], Permissions) -> bool,
) -> Result<Option<usize>, KeyError> {
    let keys = row.keys(command)?;
    for range in keys.ranges() {
        let needed = Permissions::for_flags(flags_of(row, command, range.flags));
        let arguments = command.arguments_from(range.first).step_by(range.step);
        for (number, key) in arguments.take(range.count()).enumerate() {
            if !allows(key, needed) {
                return Ok(Some(range.first + number * range.step));
            }
        }
    }
    Ok(None)
}

/// What a command does to a key where its other arguments decide (`db.c`, `setGetKeys` and `bitfieldGetKeys`).
fn flags_of(row: &Row, command: &Command<'_>, flags: KeyFlags) -> KeyFlags {
    if !flags.has(KeyFlags::VARIABLE) {
        return flags;
    }
    match row.name {
        "set" if !command.arguments_from(3).any(|word| is(word, b"GET")) => KeyFlags::OW.or(KeyFlags::UPDATE),
        "bitfield" if bitfield_reads(command) => KeyFlags::RO.or(KeyFlags::ACCESS),
        _ => flags,
    }
}

fn bitfield_reads(command: &Command<'_>) -> bool {
    let mut arguments = command.arguments_from(2);
    while let Some(word) = arguments.next() {
        let taken = match () {
            () if is(word, b"GET") => 2,
            () if is(word, b"OVERFLOW") => 1,
            () => return false,
        };
        if arguments.len() < taken {
            return false;
        }
        for _ in 0..taken {
            arguments.next();
        }
    }
    true
}

/// The option by which SORT reads keys that its arguments do not name (`sort.c`, `sortCommandGeneric`).
pub(super) fn sort_reads_by(row: &Row, command: &Command<'_>) -> Option<&'static str> {
    if !matches!(row.name, "sort" | "sort_ro") {
        return None;
    }
    let mut arguments = command.arguments_from(2);
    while let Some(word) = arguments.next() {
        match () {
            () if is(word, b"BY") => {
                // A pattern without a star says: do not sort.
                if arguments.next().is_some_and(|pattern| pattern.contains(&b'*')) {
                    return Some("BY");
                }
            }
            () if is(word, b"GET") && arguments.len() > 0 => return Some("GET"),
            () if is(word, b"LIMIT") => drop((arguments.next(), arguments.next())),
            () if is(word, b"STORE") => drop(arguments.next()),
            () => {}
        }
    }
    None
}

/// Where a command names channels, and whether as patterns (`db.c`, `commands_with_channels`). Who leaves a channel needs
/// no permission.
pub(super) fn channels(row: &Row, command: &Command<'_>) -> Option<(std::ops::Range<usize>, bool)> {
    match row.name {
        "subscribe" | "ssubscribe" => Some((1..command.count(), false)),
        "psubscribe" => Some((1..command.count(), true)),
        "publish" | "spublish" => Some((1..2, false)),
        _ => None,
    }
}

fn is(argument: &[u8], word: &[u8]) -> bool {
    argument.eq_ignore_ascii_case(word)
}
