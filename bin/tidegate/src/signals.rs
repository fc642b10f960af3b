use tidegate_pgbouncer::console::Ending;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::gateway::Gateway;

/// The signals that this process listens to.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    user1: Signal,
    user2: Signal,
    meaning: Meaning,
}

/// What signals mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// SIGTERM and SIGINT drain, and a second one ends at once.
    Own,
    /// What they mean to PgBouncer.
    PgBouncer,
}

/// A signal that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Hangup,
    Terminate,
    Interrupt,
    Quit,
    User1,
    User2,
}

impl Signals {
    /// Takes them over: none of them does any more what the system does by itself.
    pub(crate) fn new(meaning: Meaning) -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            meaning,
        })
    }

    /// Does what they ask for until the process is to end, and comes to that end.
    pub(crate) async fn follow(&mut self, gateway: &Gateway) -> Exit {
        let mut end = std::pin::pin!(gateway.end());
        loop {
            tokio::select! {
                exit = &mut end => return exit,
                sign = self.next() => match sign {
                    // It logs what came of it.
                    Sign::Hangup => {
                        heard(sign, "reload");
                        drop(gateway.reload().await);
                    }
                    sign => if let Some(exit) = self.obey(sign, gateway) {
                        return exit;
                    },
                },
            }
        }
    }

    async fn next(&mut self) -> Sign {
        tokio::select! {
            _ = self.hangup.recv() => Sign::Hangup,
            _ = self.terminate.recv() => Sign::Terminate,
            _ = self.interrupt.recv() => Sign::Interrupt,
            _ = self.quit.recv() => Sign::Quit,
            _ = self.user1.recv() => Sign::User1,
            _ = self.user2.recv() => Sign::User2,
        }
    }

    /// Returns how the process ends where nothing is to be waited for.
    fn obey(&self, sign: Sign, gateway: &Gateway) -> Option<Exit> {
        let endings = gateway.endings();
        match (sign, self.meaning) {
            (Sign::Quit, _) => {
                if endings.asked() == Some(Ending::Now) {
                    return Some(at_once(sign));
                }
                heard(sign, "now");
                endings.ask(Ending::Now);
            }
            (Sign::Terminate | Sign::Interrupt, Meaning::Own) => {
                if endings.asked().is_some_and(|asked| asked != Ending::WhenClientsLeave) {
                    return Some(at_once(sign));
                }
                heard(sign, "wait_for_servers");
                endings.ask(Ending::WhenServersRest);
            }
            (Sign::Terminate | Sign::Interrupt, Meaning::PgBouncer) => {
                let (ending, meaning) = match endings.asked() {
                    Some(Ending::Now) => return Some(at_once(sign)),
                    Some(_) => (Ending::Now, "again"),
                    // Who is suspended would never leave.
                    None if gateway.is_suspended() => (Ending::Now, "now"),
                    None if sign == Sign::Terminate => (Ending::WhenClientsLeave, "wait_for_clients"),
                    None => (Ending::WhenServersRest, "wait_for_servers"),
                };
                heard(sign, meaning);
                endings.ask(ending);
            }
            (Sign::User1, Meaning::PgBouncer) => {
                heard(sign, "pause");
                gateway.command(sign.name(), "PAUSE");
            }
            (Sign::User2, Meaning::PgBouncer) => {
                heard(sign, "resume");
                gateway.command(sign.name(), "RESUME");
            }
            (Sign::Hangup | Sign::User1 | Sign::User2, _) => {
                tracing::info!(signal = sign.name(), "ignored; the console has PAUSE and RESUME");
            }
        }
        None
    }
}

impl Sign {
    fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::User1 => "SIGUSR1",
            Self::User2 => "SIGUSR2",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Quit => 3,
            Self::User1 => 10,
            Self::User2 => 12,
            Self::Terminate => 15,
        }
    }
}

fn heard(sign: Sign, meaning: &str) {
    tracing::info!(name: "signal", signal = sign.name(), meaning, "a signal");
}

/// Nothing more is waited for.
fn at_once(sign: Sign) -> Exit {
    tracing::warn!(signal = sign.name(), "ending at once");
    Exit::Signal(sign.number())
}
