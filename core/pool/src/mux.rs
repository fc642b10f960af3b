use std::collections::VecDeque;

/// The bounds that a [`Mux`] keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MuxLimits {
    /// The most tickets that are out on the connection.
    pub tickets: usize,
    /// The most of them that one client has.
    pub tickets_per_client: usize,
    /// The most bytes of replies that wait for one client.
    pub waiting: usize,
}

/// The books of one pipelined connection that many clients share. Pure: it sees no byte and no socket.
///
/// A request that is put on the connection is a ticket, and replies come in the order of the tickets. A client has a
/// seat. When it leaves while tickets of it are out, their replies are swallowed, and its seat is free once the last of
/// them came: nobody is ever handed the reply to another's request.
#[derive(Debug)]
pub struct Mux {
    limits: MuxLimits,
    /// Who is to get the next replies, and how many in a row.
    out: VecDeque<(usize, usize)>,
    tickets: usize,
    seats: Vec<SeatBook>,
    free: Vec<usize>,
    /// Part of the oldest ticket's reply has been delivered.
    is_midway: bool,
}

/// A client's seat. It is given up by [`Mux::leave`], which takes it away.
#[derive(Debug, PartialEq, Eq)]
pub struct MuxSeat(usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct SeatBook {
    taken: bool,
    left: bool,
    overrun: bool,
    out: usize,
    waiting: usize,
}

/// Why no ticket is to be had at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MuxFull {
    /// As many tickets are out as the connection may have.
    Connection,
    /// As many tickets are out as this client may have, or it does not read its replies.
    Client,
}

/// What becomes of a stretch of the reply that is arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is for the client in this seat.
    Seat(usize),
    /// Nobody wants it any more.
    Swallow,
    /// The client in this seat has let more replies pile up than it may. From here on it gets none, and is to be closed.
    Overrun(usize),
    /// Nobody has asked for anything: the connection is not in step.
    Unasked,
}

/// What a connection that is gone leaves unanswered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Losses {
    /// Seats and how many of their tickets in a row are lost, in the order of the tickets. Who has left is not told of.
    pub tickets: Vec<(usize, usize)>,
    /// The seat whose client has a part of the first reply already.
    pub midway: Option<usize>,
}

impl MuxSeat {
    /// Its number. It is used again once the seat is given up and the last reply to it has come.
    pub fn index(&self) -> usize {
        self.0
    }
}

impl Mux {
    /// A connection that nobody uses yet.
    pub fn new(limits: MuxLimits) -> Self {
        Self {
            limits,
            out: VecDeque::new(),
            tickets: 0,
            seats: Vec::new(),
            free: Vec::new(),
            is_midway: false,
        }
    }

    /// Takes a seat.
    pub fn join(&mut self) -> MuxSeat {
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(SeatBook::default());
            self.seats.len() - 1
        });
        if let Some(seat) = self.seats.get_mut(index) {
            *seat = SeatBook {
                taken: true,
                ..SeatBook::default()
            };
        }
        MuxSeat(index)
    }

    /// Gives a seat up. Replies that are still to come to it are swallowed.
    pub fn leave(&mut self, MuxSeat(index): MuxSeat) {
        if let Some(book) = self.seats.get_mut(index) {
            book.left = true;
            book.waiting = 0;
        }
        self.release(index);
    }

    /// Whether a client may put one more request on the connection.
    pub fn room(&self, seat: &MuxSeat) -> Result<(), MuxFull> {
        let book = self.book(seat.0);
        if book.overrun || book.out >= self.limits.tickets_per_client || book.waiting > self.limits.waiting / 2 {
            return Err(MuxFull::Client);
        }
        if self.tickets >= self.limits.tickets {
            return Err(MuxFull::Connection);
        }
        Ok(())
    }

    /// A client puts a request on the connection.
    pub fn issue(&mut self, seat: &MuxSeat) -> Result<(), MuxFull> {
        self.room(seat)?;
        self.issue_beyond(seat);
        Ok(())
    }

    /// The same without a look at the bounds: for requests that go together, of which the first had room.
    pub fn issue_beyond(&mut self, seat: &MuxSeat) {
        if let Some(book) = self.seats.get_mut(seat.0) {
            book.out += 1;
        }
        self.tickets += 1;
        match self.out.back_mut() {
            Some((last, count)) if *last == seat.0 => *count += 1,
            _ => self.out.push_back((seat.0, 1)),
        }
    }

    /// So many bytes of the oldest ticket's reply have come. Those for a seat wait there until they are
    /// [taken](Self::taken).
    pub fn deliver(&mut self, bytes: usize) -> Delivery {
        let Some((index, _)) = self.out.front().copied() else {
            return Delivery::Unasked;
        };
        let Some(book) = self.seats.get_mut(index) else {
            return Delivery::Unasked;
        };
        self.is_midway |= bytes > 0;
        if book.left || book.overrun {
            return Delivery::Swallow;
        }
        if book.waiting + bytes > self.limits.waiting {
            book.overrun = true;
            return Delivery::Overrun(index);
        }
        book.waiting += bytes;
        Delivery::Seat(index)
    }

    /// The oldest ticket's reply has ended. Says whose it was, unless that client has left.
    pub fn complete(&mut self) -> Option<usize> {
        let (index, count) = self.out.front_mut()?;
        let index = *index;
        *count -= 1;
        if *count == 0 {
            self.out.pop_front();
        }
        self.tickets -= 1;
        self.is_midway = false;
        let book = self.seats.get_mut(index)?;
        book.out -= 1;
        let is_there = !book.left;
        self.release(index);
        is_there.then_some(index)
    }

    /// A client has taken so many of the bytes that waited for it.
    pub fn taken(&mut self, seat: &MuxSeat, bytes: usize) {
        if let Some(book) = self.seats.get_mut(seat.0) {
            book.waiting = book.waiting.saturating_sub(bytes);
        }
    }

    /// The connection is gone, and every ticket that is out with it.
    pub fn lose(&mut self) -> Losses {
        let mut losses = Losses::default();
        if self.is_midway
            && let Some((first, _)) = self.out.front()
            && !self.book(*first).left
        {
            losses.midway = Some(*first);
        }
        for (index, count) in std::mem::take(&mut self.out) {
            if !self.book(index).left {
                losses.tickets.push((index, count));
            }
            if let Some(book) = self.seats.get_mut(index) {
                book.out -= count;
            }
            self.release(index);
        }
        self.tickets = 0;
        self.is_midway = false;
        losses
    }

    /// How many tickets are out.
    pub fn tickets(&self) -> usize {
        self.tickets
    }

    /// How many tickets of one client are out.
    pub fn tickets_of(&self, seat: &MuxSeat) -> usize {
        self.book(seat.0).out
    }

    /// How many bytes of replies wait for a client.
    pub fn waiting_of(&self, seat: &MuxSeat) -> usize {
        self.book(seat.0).waiting
    }

    /// How many clients have a seat.
    pub fn clients(&self) -> usize {
        self.seats.iter().filter(|book| book.taken && !book.left).count()
    }

    fn book(&self, index: usize) -> SeatBook {
        self.seats.get(index).copied().unwrap_or_default()
    }

    /// Frees a seat that its client has left, once nothing is to come to it.
    fn release(&mut self, index: usize) {
        if let Some(book) = self.seats.get_mut(index)
            && book.taken
            && book.left
            && book.out == 0
        {
            *book = SeatBook::default();
            self.free.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, VecDeque};

    use proptest::prelude::*;

    use super::*;

    const LIMITS: MuxLimits = MuxLimits {
        tickets: 12,
        tickets_per_client: 5,
        waiting: 100,
    };

    #[derive(Debug, Clone)]
    enum Action {
        Join,
        Leave(usize),
        Issue(usize),
        Deliver(usize),
        Complete,
        Take(usize, usize),
        Lose,
    }

    fn action() -> impl Strategy<Value = Action> {
        prop_oneof![
            2 => Just(Action::Join),
            1 => any::<usize>().prop_map(Action::Leave),
            8 => any::<usize>().prop_map(Action::Issue),
            6 => (0_usize..60).prop_map(Action::Deliver),
            6 => Just(Action::Complete),
            3 => (any::<usize>(), 0_usize..120).prop_map(|(who, bytes)| Action::Take(who, bytes)),
            1 => Just(Action::Lose),
        ]
    }

    /// A client of the model, which is told apart by a number that is never used again.
    #[derive(Debug)]
    struct Client {
        id: u64,
        seat: MuxSeat,
        waiting: usize,
        overrun: bool,
    }

    #[derive(Debug, Default)]
    struct Model {
        clients: Vec<Client>,
        /// The owner of each ticket, oldest first.
        out: VecDeque<u64>,
        midway: bool,
        born: u64,
    }

    impl Model {
        fn tickets_of(&self, id: u64) -> usize {
            self.out.iter().filter(|owner| **owner == id).count()
        }

        fn by_id(&mut self, id: u64) -> Option<&mut Client> {
            self.clients.iter_mut().find(|client| client.id == id)
        }

        fn id_at(&self, index: usize) -> Option<u64> {
            let client = self.clients.iter().find(|client| client.seat.index() == index);
            client.map(|client| client.id)
        }

        fn issue(&mut self, mux: &mut Mux, at: usize) {
            let total = self.out.len();
            let client = &self.clients[at];
            let own = self.tickets_of(client.id);
            let expected = if client.overrun || own >= LIMITS.tickets_per_client || client.waiting > LIMITS.waiting / 2
            {
                Err(MuxFull::Client)
            } else if total >= LIMITS.tickets {
                Err(MuxFull::Connection)
            } else {
                Ok(())
            };
            assert_eq!(mux.issue(&client.seat), expected);
            if expected.is_ok() {
                self.out.push_back(client.id);
            }
        }

        fn deliver(&mut self, mux: &mut Mux, bytes: usize) {
            let found = mux.deliver(bytes);
            let Some(owner) = self.out.front().copied() else {
                return assert_eq!(found, Delivery::Unasked);
            };
            self.midway |= bytes > 0;
            let expected = match self.by_id(owner) {
                None => Delivery::Swallow,
                Some(client) if client.overrun => Delivery::Swallow,
                Some(client) if client.waiting + bytes > LIMITS.waiting => {
                    client.overrun = true;
                    Delivery::Overrun(client.seat.index())
                }
                Some(client) => {
                    client.waiting += bytes;
                    Delivery::Seat(client.seat.index())
                }
            };
            assert_eq!(found, expected);
        }

        fn complete(&mut self, mux: &mut Mux) {
            let owner = self.out.pop_front();
            let expected = owner
                .and_then(|owner| self.by_id(owner))
                .map(|client| client.seat.index());
            assert_eq!(mux.complete(), expected);
            self.midway = false;
        }

        fn lose(&mut self, mux: &mut Mux) {
            let losses = mux.lose();
            let out = std::mem::take(&mut self.out);
            let first = out.front().copied();
            let midway = first.filter(|_| self.midway).and_then(|owner| self.by_id(owner));
            assert_eq!(losses.midway, midway.map(|client| client.seat.index()));
            let told = losses.tickets.iter();
            let told: Vec<_> = told
                .flat_map(|(index, count)| std::iter::repeat_n(self.id_at(*index), *count))
                .collect();
            let here: Vec<_> = out
                .into_iter()
                .filter(|id| self.by_id(*id).is_some())
                .map(Some)
                .collect();
            assert_eq!(told, here);
            self.midway = false;
        }

        fn check(&self, mux: &Mux) {
            assert_eq!(mux.tickets(), self.out.len());
            assert_eq!(mux.clients(), self.clients.len());
            let mut seats = HashMap::new();
            for client in &self.clients {
                assert_eq!(mux.tickets_of(&client.seat), self.tickets_of(client.id));
                assert_eq!(mux.waiting_of(&client.seat), client.waiting);
                assert!(client.waiting <= LIMITS.waiting);
                assert!(
                    seats.insert(client.seat.index(), client.id).is_none(),
                    "two in one seat"
                );
            }
            // Seats are used again: there are never more than clients and tickets could need.
            assert!(mux.seats.len() <= usize::try_from(self.born).unwrap());
        }
    }

    proptest! {
        #[test]
        fn every_reply_goes_to_who_asked(actions in proptest::collection::vec(action(), 1..200)) {
            let (mut mux, mut model) = (Mux::new(LIMITS), Model::default());
            for action in actions {
                let some = |who: usize, model: &Model| (!model.clients.is_empty()).then(|| who % model.clients.len());
                match action {
                    Action::Join => {
                        model.born += 1;
                        let client = Client { id: model.born, seat: mux.join(), waiting: 0, overrun: false };
                        model.clients.push(client);
                    }
                    Action::Leave(who) => if let Some(at) = some(who, &model) {
                        mux.leave(model.clients.swap_remove(at).seat);
                    },
                    Action::Issue(who) => if let Some(at) = some(who, &model) {
                        model.issue(&mut mux, at);
                    },
                    Action::Deliver(bytes) => model.deliver(&mut mux, bytes),
                    Action::Complete => model.complete(&mut mux),
                    Action::Take(who, bytes) => if let Some(at) = some(who, &model) {
                        let client = &mut model.clients[at];
                        let bytes = bytes.min(client.waiting);
                        client.waiting -= bytes;
                        mux.taken(&client.seat, bytes);
                    },
                    Action::Lose => model.lose(&mut mux),
                }
                model.check(&mux);
            }
        }
    }

    #[test]
    fn seats_are_used_again_once_nothing_is_to_come_to_them() {
        let mut mux = Mux::new(LIMITS);
        let (first, second) = (mux.join(), mux.join());
        mux.issue(&first).unwrap();
        mux.issue(&second).unwrap();
        let (a, b) = (first.index(), second.index());
        mux.leave(first);
        let third = mux.join();
        assert!(third.index() != a && third.index() != b);
        assert_eq!(mux.deliver(3), Delivery::Swallow);
        assert_eq!(mux.complete(), None);
        assert_eq!(mux.join().index(), a);
        assert_eq!(mux.deliver(3), Delivery::Seat(b));
        assert_eq!(mux.complete(), Some(b));
        assert_eq!(mux.deliver(1), Delivery::Unasked);
    }
}
