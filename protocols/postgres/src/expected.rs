use std::collections::VecDeque;

/// A message that was sent to a server and that it will answer, or an answer that the gateway gives in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `Q`: until ReadyForQuery.
    Query,
    /// `Q` with a PREPARE: until ReadyForQuery.
    Prepare,
    /// `F`: until ReadyForQuery.
    Function,
    /// `S`: ReadyForQuery.
    Sync,
    /// `P`: ParseComplete.
    Parse,
    /// `B`: BindComplete.
    Bind,
    /// `D`: RowDescription or NoData.
    Describe,
    /// `E`: until CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute,
    /// `C`: CloseComplete.
    Close,
    /// `c` or `f`: no answer of its own; parts the Syncs that a COPY swallows from those that it does not.
    CopyEnd,
    /// `d` that was sent before the COPY was known to have begun: what comes behind it may meet a COPY that has failed.
    CopyData,
    /// A query of the gateway's own: the client must not see the answer.
    OwnQuery,
    /// A Parse of the gateway's own.
    OwnParse,
    /// A Parse that was not sent, because the server has the statement: the gateway says ParseComplete.
    FakeParse,
    /// A Close that was not sent: the gateway says CloseComplete.
    FakeClose,
    /// A whole exchange that was not sent: the gateway says what it has prepared.
    Local,
}

impl Entry {
    fn is_own(self) -> bool {
        matches!(self, Self::OwnQuery | Self::OwnParse)
    }

    fn ends_with_ready(self) -> bool {
        matches!(
            self,
            Self::Query | Self::Prepare | Self::Function | Self::Sync | Self::OwnQuery
        )
    }
}

/// What a server still owes, in order: the proof that a connection is clean.
///
/// It follows the protocol's own rules (PostgreSQL protocol 55.2.3 to 55.2.6): after an error the server skips
/// everything up to the next Sync; a COPY IN swallows the Syncs that come before its end; a simple Query is answered even
/// in the midst of other requests. A pure state machine, held against a model server by property tests.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    queue: VecDeque<Entry>,
    /// The server is skipping up to a Sync that was not sent yet.
    skipping: bool,
    /// A COPY IN is under way whose end was not sent yet.
    copying: bool,
    /// A Sync was taken for swallowed while the COPY may just have failed: nobody can tell how many answers are due.
    doubtful: bool,
    swallowed: bool,
    /// Something was sent after the last Sync or Query.
    open: bool,
}

/// The longest batch that is looked at to find it plain.
const MOST_PLAIN: usize = 8;

/// The server said something that answers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch;

impl Expected {
    /// A message goes out, or a fake takes its place. `false` when the server will skip it, so that nothing answers it.
    pub(crate) fn sent(&mut self, entry: Entry) -> bool {
        if self.skipping {
            if entry != Entry::Sync {
                return false;
            }
            self.skipping = false;
        }
        match entry {
            Entry::Sync if self.copying => {
                self.swallowed = true;
                return false;
            }
            Entry::CopyEnd | Entry::CopyData => {}
            // Makes the server give the COPY up, at a point that only it knows.
            _ if self.copying => self.doubtful = true,
            _ => {}
        }
        match entry {
            Entry::CopyEnd => {
                self.copying = false;
                if self.queue.is_empty() {
                    return false;
                }
            }
            Entry::Query | Entry::Prepare | Entry::Function | Entry::Sync => self.open = false,
            Entry::Parse | Entry::Bind | Entry::Describe | Entry::Execute | Entry::Close => self.open = true,
            Entry::FakeParse | Entry::FakeClose | Entry::OwnParse => self.open = true,
            Entry::CopyData if self.queue.is_empty() || self.copying => return false,
            Entry::CopyData if self.queue.back() == Some(&Entry::CopyData) => return true,
            Entry::OwnQuery | Entry::Local | Entry::CopyData => {}
        }
        self.queue.push_back(entry);
        true
    }

    /// Whether the server is at work on a PREPARE.
    pub(crate) fn is_preparing(&self) -> bool {
        self.queue.front() == Some(&Entry::Prepare)
    }

    /// Whether an answer of the gateway's comes next.
    pub(crate) fn is_due(&self) -> bool {
        let front = self.queue.front();
        matches!(front, Some(Entry::FakeParse | Entry::FakeClose | Entry::Local))
    }

    /// The next fake answer that is due now.
    pub(crate) fn due(&mut self) -> Option<Entry> {
        if self.queue.is_empty() {
            return None;
        }
        while matches!(self.queue.front(), Some(Entry::CopyEnd | Entry::CopyData)) {
            self.queue.pop_front();
        }
        let front = *self.queue.front()?;
        matches!(front, Entry::FakeParse | Entry::FakeClose | Entry::Local).then(|| {
            self.queue.pop_front();
            front
        })
    }

    /// Whether what the server says now answers the gateway and not the client.
    pub(crate) fn is_own(&self) -> bool {
        self.queue.front().is_some_and(|entry| entry.is_own())
    }

    /// Whether nothing that the server says up to its next ReadyForQuery has to be followed, but errors, the beginning of
    /// a COPY and what it reports: one simple Query, or binds and descriptions with one Execute at most, right before
    /// their Sync.
    pub(crate) fn is_plain(&self) -> bool {
        if self.copying || self.doubtful || self.swallowed {
            return false;
        }
        let mut entries = self.queue.iter().take(MOST_PLAIN);
        let mut entry = entries.next();
        if entry == Some(&Entry::Query) {
            return true;
        }
        while matches!(entry, Some(Entry::Bind | Entry::Describe)) {
            entry = entries.next();
        }
        if entry == Some(&Entry::Execute) {
            entry = entries.next();
        }
        entry == Some(&Entry::Sync)
    }

    /// What was answered and passed unseen, being plain: all that comes before an entry of the kind that the server is
    /// at.
    fn catch_up(&mut self, is_here: fn(&Entry) -> bool) {
        if self.is_plain() && self.queue.iter().take(MOST_PLAIN).any(is_here) {
            while self.queue.front().is_some_and(|entry| !is_here(entry)) {
                self.queue.pop_front();
            }
        }
    }

    /// The server sent a message of this kind, other than an error. Returns the entry that it completes.
    pub(crate) fn replied(&mut self, kind: u8) -> Result<Option<Entry>, Mismatch> {
        match kind {
            b'Z' => self.catch_up(|entry| entry.ends_with_ready()),
            b'G' => self.catch_up(|entry| matches!(entry, Entry::Execute | Entry::Query)),
            _ => {}
        }
        let front = self.queue.front().copied();
        let completes = match (kind, front) {
            (b'1', Some(Entry::Parse | Entry::OwnParse))
            | (b'2', Some(Entry::Bind))
            | (b'3', Some(Entry::Close))
            | (b'T' | b'n', Some(Entry::Describe))
            | (b'I' | b's', Some(Entry::Execute)) => true,
            (b'C', Some(Entry::Execute)) => {
                self.swallowed = false;
                true
            }
            (b'1' | b'2' | b'3' | b'n', _) => return Err(Mismatch),
            (b'Z', Some(entry)) if entry.ends_with_ready() => {
                self.copying = false;
                true
            }
            (b'Z', _) if self.doubtful => false,
            (b'Z', _) => return Err(Mismatch),
            (b'G', _) => {
                self.copy_begins();
                false
            }
            // The COPY went well, so it has swallowed what it was taken to have swallowed.
            (b'C', Some(Entry::Query)) => {
                self.swallowed = false;
                false
            }
            _ => false,
        };
        Ok(if completes { self.queue.pop_front() } else { None })
    }

    /// The server sent an error. In an extended batch it skips everything up to the next Sync; `dropped` is told what
    /// will not be answered. Returns whether the error answers the gateway's own query.
    pub(crate) fn failed(&mut self, mut dropped: impl FnMut(Entry)) -> bool {
        if self.swallowed {
            self.doubtful = true;
        }
        self.copying = false;
        match self.queue.front() {
            Some(Entry::Query | Entry::Prepare | Entry::Function) => false,
            Some(Entry::OwnQuery) => true,
            None if !self.open => false,
            _ => {
                while let Some(entry) = self.queue.front().copied() {
                    if entry == Entry::Sync {
                        return false;
                    }
                    self.queue.pop_front();
                    dropped(entry);
                }
                self.skipping = true;
                false
            }
        }
    }

    /// CopyInResponse: the Syncs that were sent behind the COPY and before its end are swallowed by it.
    fn copy_begins(&mut self) {
        self.swallowed = false;
        let mut data = false;
        let first = usize::from(!matches!(self.queue.front(), Some(Entry::Sync) | None));
        let mut at = first;
        let mut kept_sync = false;
        while let Some(entry) = self.queue.get(at) {
            match entry {
                Entry::CopyEnd => {
                    kept_sync = self.queue.iter().skip(at).any(|entry| *entry == Entry::Sync);
                    break;
                }
                Entry::CopyData => {
                    data = true;
                    at += 1;
                }
                Entry::Sync => {
                    self.swallowed |= data;
                    self.queue.remove(at);
                }
                // Anything else makes the server give the COPY up, at a point that only it knows.
                _ => {
                    self.doubtful = true;
                    at += 1;
                }
            }
        }
        self.copying = at >= self.queue.len();
        let simple = matches!(self.queue.front(), Some(Entry::Query));
        if !simple && !kept_sync {
            self.open = true;
        }
    }

    /// Whether nothing is owed, nothing waits for a Sync, and no doubt is left.
    pub(crate) fn is_settled(&self) -> bool {
        self.queue.is_empty() && !self.open && !self.skipping && !self.copying && !self.doubtful
    }

    /// Whether the server has the beginning of a batch, and no Sync.
    pub(crate) fn is_open(&self) -> bool {
        self.open || self.skipping
    }

    /// Whether the server throws away what comes before the next Sync.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Whether no answer to the client is outstanding.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.queue.iter().any(|entry| !entry.is_own())
    }

    /// Whether exactly one whole exchange of the client's is under way: an error can answer it.
    pub(crate) fn is_one_exchange(&self) -> bool {
        let ends = |entry: &&Entry| matches!(entry, Entry::Query | Entry::Prepare | Entry::Function | Entry::Sync);
        self.queue.iter().filter(ends).count() == 1 && !self.open && !self.doubtful
    }

    /// How many answers are due.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether a COPY IN is under way, so that a Sync ends nothing.
    pub(crate) fn is_copying(&self) -> bool {
        self.copying
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's message, in the model.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Sent {
        Query { fails: bool, copy: bool },
        Parse { fails: bool },
        Bind,
        Execute { copy: bool },
        Sync,
        CopyData { bad: bool },
        CopyDone,
    }

    /// A server as the protocol describes it: takes one message at a time, says what a real one would.
    #[derive(Default)]
    struct Model {
        skipping: bool,
        copy: Option<bool>,
        owed: Vec<u8>,
        dirty: bool,
    }

    impl Model {
        fn take(&mut self, message: Sent) {
            if let Some(simple) = self.copy {
                match message {
                    Sent::CopyData { bad: false } | Sent::Sync => {}
                    Sent::CopyDone => {
                        self.owed.push(b'C');
                        self.end_copy(simple);
                    }
                    _ => {
                        self.owed.push(b'E');
                        self.skipping = !simple;
                        self.end_copy(simple);
                    }
                }
                return;
            }
            if self.skipping && message != Sent::Sync {
                return;
            }
            match message {
                Sent::Query { fails, copy } => {
                    self.dirty = false;
                    match (fails, copy) {
                        (true, _) => self.owed.extend(b"EZ"),
                        (false, true) => {
                            self.owed.push(b'G');
                            self.copy = Some(true);
                        }
                        (false, false) => self.owed.extend(b"TDCZ"),
                    }
                }
                Sent::Parse { fails } => {
                    self.dirty = true;
                    self.owed.push(if fails { b'E' } else { b'1' });
                    self.skipping = fails;
                }
                Sent::Bind => {
                    self.dirty = true;
                    self.owed.push(b'2');
                }
                Sent::Execute { copy } => {
                    self.dirty = true;
                    self.owed.push(if copy { b'G' } else { b'C' });
                    self.copy = copy.then_some(false);
                }
                Sent::Sync => {
                    self.skipping = false;
                    self.dirty = false;
                    self.owed.push(b'Z');
                }
                Sent::CopyData { .. } | Sent::CopyDone => {}
            }
        }

        fn end_copy(&mut self, simple: bool) {
            self.copy = None;
            if simple {
                self.owed.push(b'Z');
            }
        }

        fn is_clean(&self) -> bool {
            self.owed.is_empty() && !self.dirty && !self.skipping && self.copy.is_none()
        }
    }

    fn entry(message: Sent) -> Entry {
        match message {
            Sent::Query { .. } => Entry::Query,
            Sent::Parse { .. } => Entry::Parse,
            Sent::Bind => Entry::Bind,
            Sent::Execute { .. } => Entry::Execute,
            Sent::Sync => Entry::Sync,
            Sent::CopyDone => Entry::CopyEnd,
            Sent::CopyData { .. } => Entry::CopyData,
        }
    }

    fn message() -> impl Strategy<Value = Sent> {
        prop_oneof![
            4 => (any::<bool>(), any::<bool>()).prop_map(|(fails, copy)| Sent::Query { fails, copy }),
            4 => any::<bool>().prop_map(|fails| Sent::Parse { fails }),
            4 => Just(Sent::Bind),
            4 => any::<bool>().prop_map(|copy| Sent::Execute { copy }),
            6 => Just(Sent::Sync),
            3 => any::<bool>().prop_map(|bad| Sent::CopyData { bad }),
            3 => Just(Sent::CopyDone),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        /// Whatever is sent, and however late the answers come: never is a connection taken for clean that is not.
        #[test]
        fn never_takes_an_unclean_server_for_clean(
            script in proptest::collection::vec((message(), 0_usize..4, 0_usize..3), 1..40),
        ) {
            let (mut expected, mut model) = (Expected::default(), Model::default());
            let mut on_the_way: VecDeque<Sent> = VecDeque::new();
            for (message, replies, taken) in script {
                expected.sent(entry(message));
                on_the_way.push_back(message);
                for _ in 0..taken {
                    if let Some(next) = on_the_way.pop_front() {
                        model.take(next);
                    }
                }
                for _ in 0..replies.min(model.owed.len()) {
                    match model.owed.remove(0) {
                        b'E' => drop(expected.failed(|_| ())),
                        // Nobody stops at it.
                        kind if expected.is_plain() && !b"ZEG".contains(&kind) => {}
                        kind => if expected.replied(kind).is_err() {
                            // A mismatch closes the server connection, which is safe.
                            return Ok(());
                        },
                    }
                    expected.due();
                }
                if expected.is_settled() {
                    let unread: Vec<_> = on_the_way.iter().copied().collect();
                    for next in &unread {
                        model.take(*next);
                    }
                    on_the_way.clear();
                    prop_assert!(model.is_clean(), "settled, but the server still owes {:?}, unread {:?}", model.owed, unread);
                }
            }
        }

        /// A client that keeps to the protocol always ends on a clean server.
        #[test]
        fn a_regular_client_ends_clean(
            batches in proptest::collection::vec((0_u8..5, any::<bool>()), 1..20),
        ) {
            let (mut expected, mut model) = (Expected::default(), Model::default());
            for (what, fails) in batches {
                let messages: &[Sent] = match what {
                    0 => &[Sent::Query { fails: false, copy: false }],
                    1 => &[Sent::Query { fails: true, copy: false }],
                    2 => &[Sent::Parse { fails: false }, Sent::Bind, Sent::Execute { copy: false }, Sent::Sync],
                    3 => &[Sent::Parse { fails: true }, Sent::Bind, Sent::Execute { copy: false }, Sent::Sync],
                    // As libpq does: the Sync behind the Execute is swallowed by the COPY, one more comes at its end.
                    _ => &[
                        Sent::Parse { fails: false }, Sent::Bind, Sent::Execute { copy: true }, Sent::Sync,
                        Sent::CopyData { bad: fails }, Sent::CopyDone, Sent::Sync,
                    ],
                };
                let mut sent = |expected: &mut Expected, message: Sent| {
                    expected.sent(entry(message));
                    model.take(message);
                };
                let copies = what == 4;
                for message in messages.iter().take(if copies { 4 } else { messages.len() }) {
                    sent(&mut expected, *message);
                }
                let answer = |expected: &mut Expected, model: &mut Model| {
                    for kind in std::mem::take(&mut model.owed) {
                        match kind {
                            b'E' => drop(expected.failed(|_| ())),
                            kind if expected.is_plain() && !b"ZEG".contains(&kind) => {}
                            kind => drop(expected.replied(kind)),
                        }
                        while expected.due().is_some() {}
                    }
                };
                answer(&mut expected, &mut model);
                if copies {
                    for message in &messages[4..] {
                        expected.sent(entry(*message));
                        model.take(*message);
                    }
                    answer(&mut expected, &mut model);
                }
                expected.due();
                prop_assert!(expected.is_settled() && model.is_clean(), "{what}: {expected:?}");
            }
        }
    }

    #[test]
    fn fakes_come_in_their_place() {
        let mut expected = Expected::default();
        for entry in [Entry::Bind, Entry::FakeParse, Entry::Execute, Entry::Sync] {
            assert!(expected.sent(entry));
        }
        assert_eq!(expected.due(), None);
        assert_eq!(expected.replied(b'2'), Ok(Some(Entry::Bind)));
        assert_eq!(expected.due(), Some(Entry::FakeParse));
        assert_eq!(expected.due(), None);
        let mut dropped = Vec::new();
        expected.failed(|entry| dropped.push(entry));
        assert_eq!(dropped, [Entry::Execute]);
        assert_eq!(expected.replied(b'Z'), Ok(Some(Entry::Sync)));
        assert!(expected.is_settled());
    }

    #[test]
    fn an_answer_to_nothing_is_a_mismatch() {
        let mut expected = Expected::default();
        for kind in *b"123nZ" {
            assert_eq!(expected.replied(kind), Err(Mismatch));
        }
    }
}
