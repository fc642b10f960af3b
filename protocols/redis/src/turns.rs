use std::collections::BTreeMap;

/// Who waits until more can be sent over a shared connection, by their seats. Pure.
///
/// Who is called comes before all others, until the next round: then nobody waits for one that had better to do. Who is
/// called and finds no room keeps its number, and with it its place.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Seats that nobody has called yet, by the numbers that they drew.
    waiting: BTreeMap<u64, usize>,
    seats: Vec<Turn>,
    /// How many seats have a number.
    numbers: usize,
    drawn: u64,
    round: u64,
    /// How many were called in this round and have not come yet.
    called: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    number: Option<u64>,
    /// The round in which it was called.
    called: Option<u64>,
}

impl Turns {
    /// How many have yet to be called.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many places are promised to those who were called.
    pub(crate) fn promised(&self) -> usize {
        self.called
    }

    /// Whether this seat may take one of so many free places.
    pub(crate) fn may_go(&self, seat: usize, free: usize) -> bool {
        let is_called = self.turn(seat).called == Some(self.round);
        free > if is_called { 0 } else { self.called }
    }

    /// It waits for its turn, behind those who came before it.
    pub(crate) fn wait(&mut self, seat: usize) {
        self.answer(seat);
        if self.seats.len() <= seat {
            self.seats.resize(seat + 1, Turn::default());
        }
        let Some(turn) = self.seats.get_mut(seat) else { return };
        let number = *turn.number.get_or_insert_with(|| {
            self.numbers += 1;
            self.drawn += 1;
            self.drawn
        });
        self.waiting.insert(number, seat);
    }

    /// It waits no more; whether it had been called.
    pub(crate) fn leave(&mut self, seat: usize) -> bool {
        if self.numbers == 0 {
            return false;
        }
        let was_called = self.answer(seat);
        if let Some(number) = self.seats.get_mut(seat).and_then(|turn| turn.number.take()) {
            self.numbers -= 1;
            self.waiting.remove(&number);
        }
        was_called
    }

    /// Calls the next.
    pub(crate) fn call(&mut self) -> Option<usize> {
        let (_, seat) = self.waiting.pop_first()?;
        if let Some(turn) = self.seats.get_mut(seat) {
            turn.called = Some(self.round);
            self.called += 1;
        }
        Some(seat)
    }

    /// From here on nothing is kept for those who were called and did not come.
    pub(crate) fn next_round(&mut self) {
        self.round += 1;
        self.called = 0;
    }

    fn turn(&self, seat: usize) -> Turn {
        self.seats.get(seat).copied().unwrap_or_default()
    }

    /// A seat that was called has come; whether it had been.
    fn answer(&mut self, seat: usize) -> bool {
        let called = self.seats.get_mut(seat).and_then(|turn| turn.called.take());
        if called == Some(self.round) {
            self.called -= 1;
        }
        called.is_some()
    }
}
