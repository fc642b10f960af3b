use std::future::pending;
use std::time::Duration;

use tidegate_pgbouncer::console::Ending;
use tokio::sync::watch;

use super::Gateway;
use crate::exit::Exit;

/// How the process was asked to end: by a signal, or at the console.
#[derive(Debug, Default)]
pub(crate) struct Endings(watch::Sender<Option<Ending>>);

impl Endings {
    /// Asks for an end. One that is gentler than what was asked before changes nothing.
    pub(crate) fn ask(&self, ending: Ending) {
        self.0.send_if_modified(|asked| {
            let is_harder = asked.is_none_or(|asked| hardness(asked) < hardness(ending));
            if is_harder {
                *asked = Some(ending);
            }
            is_harder
        });
    }

    /// What was asked for.
    pub(crate) fn asked(&self) -> Option<Ending> {
        *self.0.borrow()
    }
}

fn hardness(ending: Ending) -> u8 {
    match ending {
        Ending::WhenClientsLeave => 0,
        Ending::WhenServersRest => 1,
        Ending::Now => 2,
    }
}

impl Gateway {
    /// Waits until somebody asks for an end, and comes to it; sooner when that is asked for meanwhile.
    pub(crate) async fn end(&self) -> Exit {
        let mut asked = self.endings.0.subscribe();
        loop {
            let ending = *asked.borrow_and_update();
            tokio::select! {
                exit = self.come_to(ending) => return exit,
                _ = asked.changed() => {}
            }
        }
    }

    async fn come_to(&self, ending: Option<Ending>) -> Exit {
        match ending {
            None => return pending().await,
            Some(Ending::Now) => {
                self.engine.drain(Duration::ZERO).await;
                return Exit::Done;
            }
            Some(Ending::WhenServersRest) => {}
            Some(Ending::WhenClientsLeave) => self.engine.wait_for_clients().await,
        }
        tracing::info!("draining; another signal ends at once");
        if self.drain().await {
            Exit::Done
        } else {
            Exit::DrainTimedOut
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_becomes_harder_and_never_gentler() {
        let endings = Endings::default();
        assert_eq!(endings.asked(), None);
        for (asked, expected) in [
            (Ending::WhenClientsLeave, Ending::WhenClientsLeave),
            (Ending::WhenServersRest, Ending::WhenServersRest),
            (Ending::WhenClientsLeave, Ending::WhenServersRest),
            (Ending::Now, Ending::Now),
            (Ending::WhenServersRest, Ending::Now),
        ] {
            endings.ask(asked);
            assert_eq!(endings.asked(), Some(expected));
        }
    }
}
