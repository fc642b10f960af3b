use super::{Begin, Find, Flags, KeyFlags, KeySpec, Row};
use crate::number;
use crate::request::Command;
use crate::slot::Slot;

/// The most places of keys that a command has.
const PLACES: usize = 4;

/// Where the keys of one command stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keys {
    ranges: [KeyRange; PLACES],
    count: usize,
}

/// Keys at a distance from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyRange {
    /// The first, as an argument's index; the name is at 0.
    pub first: usize,
    /// None stands behind this one.
    pub last: usize,
    /// Every so many arguments.
    pub step: usize,
    /// What the command does to them.
    pub flags: KeyFlags,
}

/// Why the keys of a command are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// Not all arguments that tell are here yet.
    Arriving,
    /// The arguments make no sense; a server answers with an error of its own.
    Invalid,
}

impl Row {
    /// Where the keys of a command stand: what `COMMAND GETKEYS` says of it, and every place that a result may go to.
    pub fn keys(&self, command: &Command<'_>) -> Result<Keys, KeyError> {
        self.keys_if(command, |spec| !spec.flags.has(KeyFlags::NOT_KEY))
    }

    /// Where stands what decides the slot of a command: its keys, and channels of shards.
    pub fn slot_keys(&self, command: &Command<'_>) -> Result<Keys, KeyError> {
        self.keys_if(command, |_| true)
    }

    #[inline]
    fn keys_if(&self, command: &Command<'_>, wanted: impl Fn(&KeySpec) -> bool) -> Result<Keys, KeyError> {
        let mut keys = Keys::default();
        if self.keys.is_empty() {
            return Ok(keys);
        }
        if !self.accepts(command.count()) {
            return Err(KeyError::Invalid);
        }
        if self.flags.has(Flags::MOVABLE_KEYS)
            && let Some(found) = by_hand(self.name, command)
        {
            return found;
        }
        for spec in self.keys.iter().filter(|spec| wanted(spec)) {
            match spec.find(command) {
                Ok(Some(range)) => keys.push(range)?,
                Ok(None) => (),
                Err(KeyError::Invalid) if self.flags.has(Flags::NO_MANDATORY_KEYS) => return Ok(Keys::default()),
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }
}

impl Keys {
    /// The places, each with one key or more.
    pub fn ranges(&self) -> &[KeyRange] {
        self.ranges.get(..self.count).unwrap_or_default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.ranges().iter().map(KeyRange::count).sum()
    }

    /// The keys that are here, with what the command does to each.
    pub fn of<'k, 'a: 'k>(&'k self, command: &'k Command<'a>) -> impl Iterator<Item = (&'a [u8], KeyFlags)> + 'k {
        self.ranges().iter().flat_map(|range| {
            let arguments = command.arguments_from(range.first);
            let keys = arguments.step_by(range.step).take(range.count());
            keys.map(|key| (key, range.flags))
        })
    }

    /// The slot of all keys: `None` without keys, and an error when they have several.
    pub fn slot(&self, command: &Command<'_>) -> Result<Option<Slot>, CrossSlot> {
        let mut slot = None;
        for (key, _) in self.of(command) {
            let own = Slot::of(key);
            if slot.is_some_and(|slot| slot != own) {
                return Err(CrossSlot);
            }
            slot = Some(own);
        }
        Ok(slot)
    }

    fn push(&mut self, range: KeyRange) -> Result<(), KeyError> {
        let place = self.ranges.get_mut(self.count).ok_or(KeyError::Invalid)?;
        *place = range;
        self.count += 1;
        Ok(())
    }

    /// Adds the key that a result goes to, if it is there. Says how many arguments that were, with the word before it.
    fn push_store(&mut self, at: usize, command: &Command<'_>) -> Result<usize, KeyError> {
        if at < command.count() {
            self.push(KeyRange {
                first: at,
                last: at,
                step: 1,
                flags: KeyFlags::OW.or(KeyFlags::UPDATE),
            })?;
        }
        Ok(2)
    }

    fn one(first: usize, last: usize, flags: KeyFlags) -> Self {
        let mut keys = Self::default();
        keys.ranges[0] = KeyRange {
            first,
            last,
            step: 1,
            flags,
        };
        keys.count = 1;
        keys
    }
}

/// Keys of several slots in one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossSlot;

impl KeyRange {
    /// How many keys there are in it.
    pub fn count(&self) -> usize {
        let span = self.last.saturating_sub(self.first);
        span.checked_div(self.step).unwrap_or(0) + 1
    }
}

impl KeySpec {
    /// The keys that this says a command has (`db.c`, `getKeysUsingKeySpecs`); `None` when its word is not there.
    #[inline]
    fn find(&self, command: &Command<'_>) -> Result<Option<KeyRange>, KeyError> {
        let count = command.count();
        let start = match self.begin {
            Begin::Index(index) => usize::from(index),
            Begin::Keyword(word, from) => match behind(word, from, command)? {
                Some(start) => start,
                None => return Ok(None),
            },
            Begin::Unknown => return Err(KeyError::Invalid),
        };
        let (first, last, step) = match self.find {
            Find::Range { last, step, limit } => (start, last_of(start, last, limit, count)?, step),
            Find::Count { at, first, step } => {
                let keys = number_at(command, start + usize::from(at))?;
                let first = start + usize::from(first);
                let last = (first + keys).checked_sub(1).ok_or(KeyError::Invalid)?;
                (first, last, step)
            }
            Find::Unknown => return Err(KeyError::Invalid),
        };
        if last >= count || last < first {
            return Err(KeyError::Invalid);
        }
        Ok(Some(KeyRange {
            first,
            last,
            step: usize::from(step).max(1),
            flags: self.flags,
        }))
    }
}

/// The last key from the first on, from the end, or of the first of equal parts.
#[inline]
fn last_of(first: usize, last: i16, limit: u16, count: usize) -> Result<usize, KeyError> {
    let distance = usize::from(last.unsigned_abs());
    let last = match (last, limit) {
        (0.., _) => Some(first + distance),
        (_, 0) => count.checked_sub(distance),
        _ => (first + count.saturating_sub(first) / usize::from(limit)).checked_sub(distance),
    };
    last.ok_or(KeyError::Invalid)
}

/// The index behind a word, looked for from an index on, or backwards from one that counts from the end.
fn behind(word: &str, from: i16, command: &Command<'_>) -> Result<Option<usize>, KeyError> {
    let word = word.as_bytes();
    let distance = usize::from(from.unsigned_abs());
    if from > 0 {
        let mut arguments = command.arguments_from(distance);
        return match arguments.position(|argument| argument.eq_ignore_ascii_case(word)) {
            Some(at) => Ok(Some(distance + at + 1)),
            None if command.is_whole() => Ok(None),
            None => Err(KeyError::Arriving),
        };
    }
    if !command.is_whole() {
        return Err(KeyError::Arriving);
    }
    let start = command.count().saturating_sub(distance);
    Ok((2..=start).rev().find(|at| command.is(*at, word)).map(|at| at + 1))
}

/// A count among the arguments.
fn number_at(command: &Command<'_>, index: usize) -> Result<usize, KeyError> {
    let text = argument(command, index)?;
    let number = number::parse(text).and_then(|number| usize::try_from(number).ok());
    // More keys than arguments are no keys; this also keeps sums small.
    number
        .filter(|number| *number <= command.count())
        .ok_or(KeyError::Invalid)
}

fn argument<'a>(command: &Command<'a>, index: usize) -> Result<&'a [u8], KeyError> {
    command.argument(index).ok_or(if index < command.count() {
        KeyError::Arriving
    } else {
        KeyError::Invalid
    })
}

fn is(argument: &[u8], word: &[u8]) -> bool {
    argument.eq_ignore_ascii_case(word)
}

/// Commands whose specifications do not tell all, by the rules of their own parsers.
fn by_hand(name: &str, command: &Command<'_>) -> Option<Result<Keys, KeyError>> {
    Some(match name {
        "sort" => sort(command),
        "sort_ro" => Ok(Keys::one(1, 1, KeyFlags::RO.or(KeyFlags::ACCESS))),
        "georadius" => georadius(command, 6),
        "georadiusbymember" => georadius(command, 5),
        "migrate" => migrate(command),
        "xread" | "xreadgroup" => xread(command),
        _ => return None,
    })
}

/// SORT key … STORE destination (`sort.c`, `sortCommandGeneric`). Of several destinations the last counts, but none is to
/// be one that a client may not write to. Keys behind BY and GET depend on what is stored; clusters refuse them.
fn sort(command: &Command<'_>) -> Result<Keys, KeyError> {
    let mut keys = Keys::one(1, 1, KeyFlags::RO.or(KeyFlags::ACCESS));
    let mut at = 2;
    while at < command.count() {
        let word = argument(command, at)?;
        at += match () {
            () if is(word, b"STORE") => keys.push_store(at + 1, command)?,
            () if is(word, b"LIMIT") => 3,
            () if is(word, b"GET") || is(word, b"BY") => 2,
            () => 1,
        };
    }
    Ok(keys)
}

/// GEORADIUS key … STORE key, whose options stand from an index on (`geo.c`, `georadiusGeneric`). As of SORT, the last
/// destination counts; the key specifications tell of the first.
fn georadius(command: &Command<'_>, options: usize) -> Result<Keys, KeyError> {
    let mut keys = Keys::one(1, 1, KeyFlags::RO.or(KeyFlags::ACCESS));
    let mut at = options;
    while at < command.count() {
        let word = argument(command, at)?;
        at += match () {
            () if is(word, b"STORE") || is(word, b"STOREDIST") => keys.push_store(at + 1, command)?,
            () => 1,
        };
    }
    Ok(keys)
}

/// MIGRATE host port key …, or with an empty key and KEYS at the end (`db.c`, `migrateGetKeys`).
fn migrate(command: &Command<'_>) -> Result<Keys, KeyError> {
    let flags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);
    let single = Keys::one(3, 3, flags);
    let mut at = 6;
    while at < command.count() {
        let word = argument(command, at)?;
        if is(word, b"KEYS") {
            // Together with a key it is a mistake, and without keys behind it too.
            let sound = argument(command, 3)?.is_empty() && at + 1 < command.count();
            let keys = Keys::one(at + 1, command.count() - 1, flags);
            return sound.then_some(keys).ok_or(KeyError::Invalid);
        }
        at += match () {
            () if is(word, b"AUTH") => 2,
            () if is(word, b"AUTH2") => 3,
            () => 1,
        };
    }
    Ok(single)
}

/// XREAD … STREAMS key … id …: the word may also be the name of a group, a consumer or a key (`db.c`,
/// `xreadGetKeys`).
fn xread(command: &Command<'_>) -> Result<Keys, KeyError> {
    let mut at = 1;
    loop {
        let word = argument(command, at)?;
        at += match () {
            () if is(word, b"STREAMS") => break,
            () if is(word, b"BLOCK") || is(word, b"COUNT") => 2,
            () if is(word, b"GROUP") => 3,
            () if is(word, b"NOACK") => 1,
            () => return Err(KeyError::Invalid),
        };
    }
    let left = command.count() - at - 1;
    // An odd one out is the server's to refuse; it counts the same keys.
    if left < 2 {
        return Err(KeyError::Invalid);
    }
    Ok(Keys::one(at + 1, at + left / 2, KeyFlags::RO.or(KeyFlags::ACCESS)))
}
