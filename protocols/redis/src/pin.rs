use std::collections::VecDeque;

use tidegate_redis_wire::reply::{Code, Failure};
use tidegate_redis_wire::table::Effect;

/// What is known of a connection that one client has for its own, and so whether somebody else may have it next.
///
/// It follows what the client sent and what the server answered: state counts as there from its answer on, and until
/// its end is confirmed. While any answer is owed nothing is known, so the connection stays. Pure.
#[derive(Debug, Default)]
pub(crate) struct Pin {
    /// What the answers that are owed are to, oldest first.
    expected: VecDeque<Effect>,
    transaction: bool,
    watching: bool,
    /// State is on the connection that only its end takes away.
    for_good: bool,
    /// What comes answers nobody: MONITOR. Nothing is expected any more.
    streams: bool,
}

/// Where a command is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a connection that many share.
    Shared,
    /// On a connection of the client's own.
    Own,
    /// That shows when the answers that are owed have come.
    Wait,
    /// The gateway answers it.
    Gateway,
    /// Subscriptions are not kept here.
    Hub,
    /// What it asks cannot be had within a transaction, and must make it fail: something that no transaction takes runs
    /// in its place.
    Spoil,
    /// It cannot be done here.
    Refuse(&'static str),
}

/// The server has answered what it was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfStep;

/// What an answer says of the connection's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// `+OK`
    Ok,
    /// EXEC of a transaction with an error in it: it is given up.
    Aborted,
    /// Any other error.
    Failed,
    /// Anything else, `+QUEUED` included.
    Other,
}

const STATEFUL: &str = "ERR the connection holds state (WATCH, CLIENT TRACKING, MONITOR); send RESET first";
const REPLICA: &str = "ERR replication does not pass this gateway";
const DEBUGGER: &str = "ERR the debugger of scripts does not pass this gateway";

impl Outcome {
    /// Reads it from the first bytes of a reply.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head.split_first() {
            Some((b'+', text)) if text.starts_with(b"OK\r\n") => Self::Ok,
            Some((b'-', text)) if Failure::new(text).code() == Code::ExecAbort => Self::Aborted,
            Some((b'-' | b'!', _)) => Self::Failed,
            _ => Self::Other,
        }
    }
}

/// Where a command with this effect is to run, for a client that has or has not a connection of its own.
pub(crate) fn place(own: Option<&Pin>, effect: Effect) -> Place {
    match own {
        None => without_own(effect),
        Some(pin) => pin.place(effect),
    }
}

fn without_own(effect: Effect) -> Place {
    match effect {
        // Without a transaction or a watch of the client's own there is nothing that these could end.
        Effect::Plain | Effect::MayBlock | Effect::Topology | Effect::Exec | Effect::Discard | Effect::Unwatch => {
            Place::Shared
        }
        Effect::Blocks
        | Effect::Waits
        | Effect::Multi
        | Effect::Watch
        | Effect::Mode
        | Effect::Tracking
        | Effect::Clients
        | Effect::Monitor => Place::Own,
        Effect::Subscribe(_) | Effect::Unsubscribe(_) => Place::Hub,
        Effect::Debugger => Place::Refuse(DEBUGGER),
        Effect::Replication => Place::Refuse(REPLICA),
        Effect::Select
        | Effect::Auth
        | Effect::Hello
        | Effect::Name
        | Effect::Identity
        | Effect::Reply
        | Effect::ReadOnly
        | Effect::ReadWrite
        | Effect::Asking
        | Effect::Reset
        | Effect::Quit
        | Effect::CrossProtocol => Place::Gateway,
    }
}

impl Pin {
    /// A clean connection, with memory to work in.
    pub(crate) fn new(expected: VecDeque<Effect>) -> Self {
        Self {
            expected,
            ..Self::default()
        }
    }

    /// Gives the memory back.
    pub(crate) fn into_expected(mut self) -> VecDeque<Effect> {
        self.expected.clear();
        self.expected
    }

    /// Whether nothing of the client is left on the connection, and nothing more is to come from it.
    pub(crate) fn is_clean(&self) -> bool {
        self.expected.is_empty() && !self.holds_state()
    }

    /// Whether the answers that come answer nobody.
    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    /// Whether a transaction is open, as far as the answers tell.
    pub(crate) fn in_transaction(&self) -> bool {
        self.transaction
    }

    /// Whether the next answer may be waited for without an end. Within a transaction nothing blocks.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.transaction && matches!(self.expected.front(), Some(Effect::Blocks | Effect::Waits))
    }

    /// How many answers are owed.
    pub(crate) fn owed(&self) -> usize {
        self.expected.len()
    }

    fn holds_state(&self) -> bool {
        self.transaction || self.watching || self.for_good || self.streams
    }

    fn place(&self, effect: Effect) -> Place {
        match without_own(effect) {
            Place::Gateway => self.place_of_gateway(effect),
            place @ (Place::Refuse(_) | Place::Hub) => place,
            _ => Place::Own,
        }
    }

    /// What the gateway answers itself as a rule must not overtake an answer that is owed, and where the connection
    /// has state it may be the server's to answer after all.
    fn place_of_gateway(&self, effect: Effect) -> Place {
        if matches!(effect, Effect::CrossProtocol) {
            return Place::Gateway;
        }
        if self.streams {
            return match effect {
                Effect::Auth | Effect::Hello => Place::Refuse(STATEFUL),
                Effect::Reply => Place::Gateway,
                _ => Place::Own,
            };
        }
        if !self.expected.is_empty() {
            return Place::Wait;
        }
        match effect {
            Effect::Reset | Effect::Quit => Place::Gateway,
            // The server would queue these, and answer or change what is the gateway's to know.
            Effect::Auth | Effect::Hello | Effect::Reply | Effect::Name | Effect::Identity if self.transaction => {
                Place::Spoil
            }
            Effect::Auth | Effect::Hello if self.holds_state() => Place::Refuse(STATEFUL),
            Effect::Select if self.holds_state() => Place::Own,
            _ if self.transaction => Place::Own,
            _ => Place::Gateway,
        }
    }

    /// A command with this effect was sent.
    pub(crate) fn sent(&mut self, effect: Effect) {
        if effect == Effect::Monitor {
            self.streams = true;
            self.expected.clear();
        }
        if !self.streams {
            self.expected.push_back(effect);
        }
    }

    /// The next answer has come as a whole; a push of RESP3 is none.
    pub(crate) fn answered(&mut self, outcome: Outcome) -> Result<(), OutOfStep> {
        if self.streams {
            return Ok(());
        }
        let effect = self.expected.pop_front().ok_or(OutOfStep)?;
        match (effect, outcome) {
            (Effect::Multi, Outcome::Ok) => self.transaction = true,
            (Effect::Watch, Outcome::Ok) => self.watching = true,
            // Within a transaction UNWATCH is queued, and EXEC forgets the watched keys anyway.
            (Effect::Unwatch, Outcome::Ok) => self.watching = false,
            // EXEC without MULTI changes nothing; else it ends the transaction, also where a server sends it away
            // (`server.c`, `processCommand`).
            (Effect::Exec, Outcome::Failed) if !self.transaction => {}
            (Effect::Exec, _) | (Effect::Discard, Outcome::Ok) => {
                self.transaction = false;
                self.watching = false;
            }
            // What the server has refused has left nothing.
            (_, Outcome::Failed) => {}
            (effect, _) => self.for_good |= lasts(effect),
        }
        Ok(())
    }
}

/// Whether a command with this effect leaves something that only the connection's end takes away.
fn lasts(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Mode
            | Effect::Tracking
            | Effect::Debugger
            | Effect::Select
            | Effect::Name
            | Effect::Reply
            | Effect::ReadOnly
            | Effect::ReadWrite
            | Effect::Asking
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_redis_wire::table::Channels;

    use super::*;

    /// A connection at a server, by the rules of `multi.c` and `networking.c`: what of a client is on it.
    #[derive(Debug, Default, PartialEq, Eq, Clone)]
    struct Server {
        transaction: bool,
        spoilt: bool,
        queued: Vec<Effect>,
        watching: bool,
        database: bool,
        mode: bool,
    }

    impl Server {
        /// Runs a command; some are told to fail, as for a lack of rights. The number of answers and what they are.
        fn run(&mut self, effect: Effect, fails: bool) -> Vec<Outcome> {
            if self.transaction {
                return vec![self.run_within(effect, fails)];
            }
            if fails {
                return vec![Outcome::Failed];
            }
            match effect {
                Effect::Multi => self.transaction = true,
                Effect::Watch => self.watching = true,
                Effect::Unwatch => self.watching = false,
                Effect::Exec | Effect::Discard => return vec![Outcome::Failed],
                Effect::Blocks | Effect::Plain | Effect::Waits | Effect::Clients => return vec![Outcome::Other],
                other => self.apply(other),
            }
            vec![Outcome::Ok]
        }

        fn run_within(&mut self, effect: Effect, fails: bool) -> Outcome {
            match effect {
                Effect::Multi | Effect::Watch => Outcome::Failed,
                Effect::Exec if self.spoilt || fails => {
                    self.end();
                    Outcome::Aborted
                }
                Effect::Exec => {
                    let queued = std::mem::take(&mut self.queued);
                    self.end();
                    for effect in queued {
                        self.apply(effect);
                    }
                    Outcome::Other
                }
                Effect::Discard if !fails => {
                    self.end();
                    Outcome::Ok
                }
                // Stands for what no transaction takes.
                Effect::Hello => self.spoil(),
                _ if fails => self.spoil(),
                effect => {
                    self.queued.push(effect);
                    Outcome::Other
                }
            }
        }

        fn spoil(&mut self) -> Outcome {
            self.spoilt = true;
            Outcome::Failed
        }

        fn end(&mut self) {
            (self.transaction, self.spoilt, self.watching) = (false, false, false);
            self.queued.clear();
        }

        fn apply(&mut self, effect: Effect) {
            match effect {
                Effect::Select => self.database = true,
                Effect::Mode | Effect::Tracking | Effect::Name | Effect::ReadOnly => self.mode = true,
                Effect::Unwatch => self.watching = false,
                _ => {}
            }
        }
    }

    fn effect() -> impl Strategy<Value = Effect> {
        prop_oneof![
            6 => Just(Effect::Plain),
            4 => Just(Effect::Multi),
            4 => Just(Effect::Exec),
            2 => Just(Effect::Discard),
            3 => Just(Effect::Watch),
            2 => Just(Effect::Unwatch),
            2 => Just(Effect::Blocks),
            1 => Just(Effect::Waits),
            1 => Just(Effect::Select),
            1 => Just(Effect::Auth),
            1 => Just(Effect::Hello),
            1 => Just(Effect::Name),
            1 => Just(Effect::Identity),
            1 => Just(Effect::Mode),
            1 => Just(Effect::Tracking),
            1 => Just(Effect::Clients),
            1 => Just(Effect::ReadOnly),
            1 => Just(Effect::Reply),
            1 => Just(Effect::Subscribe(Channels::Named)),
            1 => Just(Effect::Unsubscribe(Channels::Pattern)),
            1 => Just(Effect::Monitor),
            1 => Just(Effect::Debugger),
            1 => Just(Effect::Replication),
        ]
    }

    /// One client's life: commands, each sent before or after the answers to earlier ones came.
    #[derive(Debug, Default)]
    struct Life {
        own: Option<(Pin, Server)>,
        shared: Server,
        /// Answers that are on their way.
        coming: VecDeque<Outcome>,
    }

    impl Life {
        fn receive(&mut self) {
            let Some((pin, server)) = &mut self.own else { return };
            if let Some(outcome) = self.coming.pop_front() {
                pin.answered(outcome).unwrap();
            }
            if pin.is_clean() {
                assert_eq!(*server, Server::default(), "given back with something on it");
                assert!(self.coming.is_empty(), "given back with answers on their way");
                self.own = None;
            }
        }

        fn send(&mut self, effect: Effect, fails: bool) {
            let mut placed = place(self.own.as_ref().map(|own| &own.0), effect);
            while placed == Place::Wait {
                assert!(!self.coming.is_empty(), "waits for nothing");
                self.receive();
                placed = place(self.own.as_ref().map(|own| &own.0), effect);
            }
            let effect = if placed == Place::Spoil { Effect::Hello } else { effect };
            match placed {
                Place::Shared => {
                    assert!(self.own.is_none(), "order would be lost");
                    let answers = self.shared.run(effect, fails);
                    assert_eq!(answers.len(), 1, "{effect:?} has one answer");
                    assert_eq!(
                        self.shared,
                        Server::default(),
                        "{effect:?} leaves something for the others"
                    );
                }
                Place::Own | Place::Spoil => {
                    let (pin, server) = self.own.get_or_insert_default();
                    pin.sent(effect);
                    self.coming.extend(server.run(effect, fails));
                }
                Place::Gateway => {
                    let owed = self
                        .own
                        .as_ref()
                        .is_none_or(|(pin, _)| pin.streams() || self.coming.is_empty());
                    assert!(owed, "an answer of the gateway's overtakes one of the server's");
                }
                Place::Refuse(_) | Place::Hub | Place::Wait => {}
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn nothing_of_a_client_is_left_for_another(
            script in proptest::collection::vec((effect(), prop::bool::weighted(0.15), 0_usize..3), 1..60),
        ) {
            let mut life = Life::default();
            for (effect, fails, answers) in script {
                life.send(effect, fails);
                for _ in 0..answers {
                    life.receive();
                }
            }
        }
    }

    #[test]
    fn a_transaction_goes_back_when_it_has_ended() {
        let mut pin = Pin::default();
        for effect in [Effect::Watch, Effect::Multi, Effect::Plain, Effect::Exec] {
            pin.sent(effect);
            assert!(!pin.is_clean());
        }
        for outcome in [Outcome::Ok, Outcome::Ok, Outcome::Other] {
            pin.answered(outcome).unwrap();
            assert!(!pin.is_clean());
        }
        pin.answered(Outcome::Aborted).unwrap();
        assert!(pin.is_clean());
        assert_eq!(pin.answered(Outcome::Ok), Err(OutOfStep));
    }

    /// A word that the server does not know costs the client nothing.
    #[test]
    fn what_was_refused_leaves_nothing() {
        let mut pin = Pin::default();
        for effect in [Effect::Mode, Effect::Tracking, Effect::Select] {
            pin.sent(effect);
            assert!(!pin.is_clean());
            pin.answered(Outcome::Failed).unwrap();
            assert!(pin.is_clean());
        }
        pin.sent(Effect::Mode);
        pin.answered(Outcome::Ok).unwrap();
        assert!(!pin.is_clean());
    }

    /// What counts is what the server does with a command when its turn comes, and not what was known when it was sent.
    #[test]
    fn what_blocks_blocks_when_its_turn_comes() {
        let mut pin = Pin::default();
        pin.sent(Effect::Multi);
        pin.answered(Outcome::Ok).unwrap();
        for effect in [Effect::Blocks, Effect::Exec, Effect::Blocks] {
            pin.sent(effect);
            assert!(!pin.is_blocked());
        }
        pin.answered(Outcome::Other).unwrap();
        assert!(!pin.is_blocked());
        pin.answered(Outcome::Other).unwrap();
        assert!(pin.is_blocked());
        pin.answered(Outcome::Other).unwrap();
        assert!(!pin.is_blocked());
    }

    #[test]
    fn outcomes_are_read() {
        assert_eq!(Outcome::of(b"+OK\r\n"), Outcome::Ok);
        assert_eq!(Outcome::of(b"+QUEUED\r\n"), Outcome::Other);
        assert_eq!(Outcome::of(b"-EXECABORT Transaction discarded"), Outcome::Aborted);
        assert_eq!(Outcome::of(b"-ERR EXEC without MULTI\r\n"), Outcome::Failed);
        assert_eq!(Outcome::of(b"*-1\r\n"), Outcome::Other);
        assert_eq!(Outcome::of(b"+OKAY\r\n"), Outcome::Other);
    }
}
