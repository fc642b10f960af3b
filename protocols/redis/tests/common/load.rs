//! Clients that write, read back what they wrote, and hold the answers to be right while something happens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tidegate_kit::{Resp, RespClient, eventually};

/// The start of what a client may be told of a write whose connection was lost.
#[allow(dead_code, reason = "not every test binary loses connections")]
pub(crate) const LOST: &str = "ERR the connection to the server was lost";

/// What clients see while something happens to the servers.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) done: AtomicUsize,
    pub(crate) stop: AtomicBool,
    /// Servers may lose what they have acknowledged at the moment, as asynchronous replication does.
    pub(crate) forgetful: AtomicBool,
    /// How many acknowledged writes were seen to be lost, while that was so.
    pub(crate) forgotten: AtomicUsize,
}

#[allow(dead_code, reason = "not every test binary uses all of it")]
impl Watch {
    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so many commands more are done.
    #[track_caller]
    pub(crate) fn wait(&self, more: usize) {
        let before = self.done();
        eventually("commands are done", || self.done() > before + more);
    }

    /// Ends the load; how many writes were refused.
    #[track_caller]
    pub(crate) fn end(&self, clients: Vec<JoinHandle<usize>>) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let refused = clients
            .into_iter()
            .map(|client| client.join().expect("no wrong answer"));
        refused.sum()
    }
}

/// Writes and reads back its own keys until it is told to stop; every answer must be right. `errors` says which errors
/// of writes are allowed.
pub(crate) fn load(
    address: SocketAddr,
    name: usize,
    watch: &Arc<Watch>,
    errors: &'static [&'static str],
) -> JoinHandle<usize> {
    let mut client = RespClient::connect(address);
    let watch = Arc::clone(watch);
    thread::spawn(move || {
        let (mut turn, mut refused) = (0_usize, 0);
        while !watch.stop.load(Ordering::Relaxed) {
            let was_forgetful = watch.forgetful.load(Ordering::Relaxed);
            let keys: Vec<String> = (0..8).map(|at| format!("{name}:{}", (turn * 8 + at) % 500)).collect();
            for key in &keys {
                client.command(&["SET", key, &turn.to_string()]);
                client.command(&["GET", key]);
            }
            for key in &keys {
                let set = client.reply();
                let is_done = set == Resp::Simple("OK".to_owned());
                if !is_done {
                    let is_allowed = errors.iter().any(|error| set.text().starts_with(error));
                    assert!(is_allowed, "{key}: {set:?}");
                    refused += 1;
                }
                let got = client.reply();
                assert!(!matches!(got, Resp::Error(_)), "a read of {key} failed: {got:?}");
                if is_done && got.text() != turn.to_string() {
                    let may_forget = was_forgetful || watch.forgetful.load(Ordering::Relaxed);
                    assert!(may_forget, "{key} in turn {turn} is {got:?}");
                    watch.forgotten.fetch_add(1, Ordering::Relaxed);
                }
                // Lost or not, what is there was once written by this client.
                let written = got == Resp::Null || got.text().parse().is_ok_and(|number: usize| number <= turn);
                assert!(written, "{key} in turn {turn} is {got:?}");
            }
            turn += 1;
            watch.done.fetch_add(16, Ordering::Relaxed);
        }
        refused
    })
}
