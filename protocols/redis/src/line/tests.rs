//! Who waits for room on a line is woken when there is some, and nobody is forgotten.

use std::sync::Mutex;
use std::task::{Context, Wake};

use tidegate_cluster::Role;

use super::*;

/// Who was woken, in order.
#[derive(Debug, Default)]
struct Woken(Mutex<Vec<usize>>);

/// One of them.
struct Sleeper(usize, Arc<Woken>);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.1.0.lock().unwrap().push(self.0);
    }
}

struct Scene {
    line: Rc<Line>,
    seats: Vec<Option<LineSeat>>,
    wakers: Vec<Waker>,
    woken: Arc<Woken>,
    wakes: usize,
}

const TICKETS: usize = 8;

impl Scene {
    /// So many clients at a line.
    fn new(clients: usize) -> Self {
        let greeting = Greeting {
            server: String::new(),
            version: String::new(),
            id: 1,
            mode: String::new(),
            role: String::new(),
        };
        let address = "127.0.0.1:1".parse().unwrap();
        let endpoint = Arc::new(Endpoint::new(address, None, Role::Primary, 1));
        let limits = MuxLimits {
            tickets: TICKETS,
            tickets_per_client: 4,
            waiting: 1 << 20,
        };
        let line = Line::new(
            greeting,
            endpoint,
            false,
            limits,
            Rc::new(Buffers::new(4)),
            Rc::default(),
        );
        let woken = Arc::new(Woken::default());
        let wakers = (0..clients).map(|client| Waker::from(Arc::new(Sleeper(client, Arc::clone(&woken)))));
        let wakers: Vec<_> = wakers.collect();
        let seats = wakers.iter().map(|waker| {
            let seat = line.join();
            seat.set_waker(&Context::from_waker(waker));
            Some(seat)
        });
        Self {
            seats: seats.collect(),
            wakers,
            woken,
            line,
            wakes: 0,
        }
    }

    fn seat(&self, client: usize) -> &LineSeat {
        self.seats[client].as_ref().unwrap()
    }

    /// Whether a client could send a command.
    fn sends(&self, client: usize, command: &[u8]) -> bool {
        let seat = self.seat(client);
        let cx = Context::from_waker(&self.wakers[client]);
        let is_ready = seat.poll_room(&cx).is_ready();
        assert!(!is_ready || seat.send(command, 1, Instant::now()));
        is_ready
    }

    /// The server takes what was sent, and answers so many commands.
    fn serve(&self, answers: usize) {
        self.line.unsent.borrow_mut().clear();
        for _ in 0..answers {
            assert!(self.line.deliver(b"+OK\r\n", true));
        }
        self.line.wake_thirsty();
    }

    fn woken(&mut self) -> Vec<usize> {
        let woken = std::mem::take(&mut *self.woken.0.lock().unwrap());
        self.wakes += woken.len();
        woken
    }

    /// Two fill the line, and all others wait.
    fn fill(&mut self) {
        for client in 0..self.seats.len() {
            for _ in 0..4 {
                assert_eq!(self.sends(client, b"x"), client < 2, "{client}");
            }
        }
        assert!(self.woken().is_empty());
    }
}

#[test]
fn as_many_are_woken_as_there_is_room_for() {
    let mut scene = Scene::new(1000);
    scene.fill();
    for _ in 0..100 {
        scene.serve(0);
    }
    assert!(scene.woken().is_empty(), "there is no room");
    let mut sent = Vec::new();
    scene.serve(1);
    while sent.len() < 998 {
        let woken = scene.woken();
        for client in woken {
            // Who has its answer was woken for that.
            if client > 1 && !sent.contains(&client) && scene.sends(client, b"x") {
                sent.push(client);
            }
        }
        let tickets = scene.line.books.borrow().tickets();
        assert!(tickets >= TICKETS - 1, "{tickets} tickets are out while others wait");
        scene.serve(1);
    }
    assert_eq!(sent, (2..1000).collect::<Vec<_>>(), "first come, first served");
    assert!(scene.wakes < 2200, "{} wake-ups", scene.wakes);
}

#[test]
fn who_does_not_use_the_room_keeps_it_from_nobody() {
    let mut scene = Scene::new(40);
    scene.fill();
    scene.serve(1);
    assert_eq!(scene.woken(), [0, 2]);
    // It is gone: the next one is woken.
    scene.seats[2] = None;
    assert_eq!(scene.woken(), [3]);
    // It does nothing, and something else happens: so is the next but one, and those who come late have to wait.
    assert!(!scene.sends(5, b"x"));
    scene.serve(0);
    assert_eq!(scene.woken(), [4]);
    assert!(!scene.sends(39, b"x") && scene.sends(4, b"x"));
    // Nothing more will happen by itself: all are woken.
    scene.serve(TICKETS);
    let mut woken = scene.woken();
    woken.retain(|client| ![0, 1, 4].contains(client));
    assert_eq!(woken, (5..40).collect::<Vec<_>>());
    assert!(scene.sends(39, b"x"), "the line is empty");
}

#[test]
fn who_finds_no_room_keeps_its_place() {
    let mut scene = Scene::new(10);
    let large = vec![b'x'; MOST_UNSENT + 1];
    assert!(scene.sends(0, &large));
    for client in 1..10 {
        assert!(!scene.sends(client, &large));
    }
    scene.line.wake_thirsty();
    assert!(scene.woken().is_empty());
    for first in 1..9 {
        scene.line.unsent.borrow_mut().clear();
        scene.line.wake_thirsty();
        let woken = scene.woken();
        assert_eq!(woken[0], first);
        for client in woken {
            assert_eq!(scene.sends(client, &large), client == first);
        }
        assert!(scene.line.deliver(b"+OK\r\n", true));
        scene.woken();
    }
}

#[test]
fn a_line_that_retires_ends_with_its_last_client() {
    let mut scene = Scene::new(3);
    scene.line.retire();
    for left in [2, 1, 0] {
        scene.seats[left] = None;
        assert_eq!(scene.line.clients(), left);
        assert_eq!(scene.line.closes.get(), left == 0);
    }
}
