//! PgBouncer's admin console: its commands, and tables with the columns of PgBouncer 1.24, so that what was made for it
//! reads them unchanged. What it shows and commands comes through [`Subject`].
//!
//! A column that means nothing here holds the value that it has in a PgBouncer where nothing of the kind is in use.

mod command;
mod orders;
mod peers;
mod port;
mod scene;
mod show;
mod sockets;
mod stats;

pub use port::{ClusterOf, Ending, Layout, Named, Orders, PeerOf, Setting, Subject, Sums, Totals, UserOf};
pub use stats::PERIOD;

use std::future::pending;
use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_base::{Reason, Refusal};
use tidegate_engine::{Answer, Asker, Column, ColumnKind, Value, VirtualDatabase};

use command::Command;
use scene::{CONSOLE, Names, Scene};
use show::Show;
use sockets::Detail;
use stats::History;

/// The release whose console this one is like.
const LIKE: &str = "1.24.1";

/// The names behind `SHOW` that stand for tables.
pub fn tables() -> Vec<&'static str> {
    let is_table = |(_, show): &(&'static str, Show)| *show != Show::Help;
    show::ALL.into_iter().filter(is_table).map(|(name, _)| name).collect()
}

/// The console of a gateway.
#[derive(Debug)]
pub struct Console<S> {
    subject: S,
    history: History,
    /// Held while what is ordered changes.
    changes: Mutex<()>,
}

impl<S: Subject> Console<S> {
    /// A console that begins to count now.
    pub fn new(subject: S) -> Self {
        Self {
            history: History::new(subject.now()),
            changes: Mutex::default(),
            subject,
        }
    }

    /// Begins the averages anew; due every [`PERIOD`].
    pub fn turn(&self) {
        self.history.turn(self.subject.now(), self.subject.totals());
    }

    async fn show(&self, show: Show) -> Answer {
        let now = self.subject.now();
        let rows = match show {
            Show::Help => return help(),
            Show::Version => vec![vec![
                format!("PgBouncer {LIKE} (Tidegate {})", self.subject.version()).into(),
            ]],
            Show::State => state(&self.subject.orders()),
            Show::Config => self.config().await,
            Show::Stats => stats::rows(self.stats().await, true, true),
            Show::StatsTotals => stats::rows(self.stats().await, true, false),
            Show::StatsAverages => stats::rows(self.stats().await, false, true),
            Show::Totals => stats::total_rows(&self.stats().await),
            Show::Clients => self.scene().await.client_rows(now, Detail::Plain),
            Show::Servers => self.scene().await.server_rows(now, Detail::Plain),
            Show::Sockets => self.scene().await.sockets(now, false),
            Show::ActiveSockets => self.scene().await.sockets(now, true),
            Show::Pools => self.scene().await.pools(),
            Show::Databases => self.scene().await.databases(),
            Show::Users => self.scene().await.users(),
            Show::Lists => self.scene().await.lists(self.subject.peers().len()),
            Show::Peers => self.subject.peers().iter().map(peers::row).collect(),
            Show::PeerPools => self.subject.peers().iter().map(peers::pool).collect(),
            // Nothing of the kind is here: file descriptors stay where they are, memory is one heap, and names are
            // looked up where they are used.
            Show::Fds | Show::Mem | Show::DnsHosts | Show::DnsZones => Vec::new(),
        };
        Answer {
            columns: show.columns(),
            rows,
            ..Answer::done("SHOW")
        }
    }

    async fn scene(&self) -> Scene {
        let layout = self.subject.layout().await;
        let (listeners, rooms) = self.subject.views().await;
        Scene {
            visitors: self.subject.visitors(),
            ..Scene::new(layout, self.subject.orders(), listeners, rooms)
        }
    }

    async fn stats(&self) -> Vec<(String, Sums, Sums)> {
        let names = Names::new(&self.subject.layout().await);
        let mut stats = self.history.look(self.subject.now(), &self.subject.totals(), &names);
        if !stats.iter().any(|(name, ..)| name == CONSOLE) {
            // What it is asked counts nowhere.
            stats.push((CONSOLE.to_owned(), Sums::default(), Sums::default()));
        }
        stats
    }

    async fn config(&self) -> Vec<Vec<Value>> {
        let settings = self.subject.settings().await.into_iter();
        let changeable = |setting: &Setting| if setting.is_changeable { "yes" } else { "no" };
        let row = |setting: Setting| {
            let changeable = changeable(&setting);
            vec![
                setting.path.into(),
                setting.value.into(),
                setting.default.map_or(Value::Null, Into::into),
                changeable.into(),
            ]
        };
        settings.map(row).collect()
    }

    async fn reload(&self) -> Result<Answer, Refusal> {
        match self.subject.reload().await {
            Ok(()) => Ok(Answer::done("RELOAD")),
            Err(mistakes) => {
                let text = format!(
                    "RELOAD failed, the old configuration stays in force:\n{}",
                    mistakes.join("\n")
                );
                // `config_file_error`, as PgBouncer says.
                Err(Refusal::new(Reason::Invalid, text).with_code("F0000"))
            }
        }
    }

    async fn set(&self, key: String, value: String) -> Result<Answer, Refusal> {
        let done = format!("SET {key}={value}");
        match self.subject.set(key, value).await {
            Ok(notices) => Ok(Answer {
                notices,
                ..Answer::done(done)
            }),
            Err(mistakes) => Err(Refusal::new(
                Reason::Invalid,
                format!("SET failed: {}", mistakes.join("\n")),
            )),
        }
    }

    async fn end(&self, ending: Ending) -> Answer {
        self.subject.end(ending);
        if ending == Ending::Now {
            // There is no answer but the end of the connection.
            pending::<()>().await;
        }
        Answer::done("SHUTDOWN")
    }
}

impl<S: Subject> VirtualDatabase for Console<S> {
    fn reports(&self) -> Vec<(&'static str, String)> {
        let reports = [
            ("client_encoding", "UTF8"),
            ("server_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("TimeZone", "GMT"),
            ("standard_conforming_strings", "on"),
            ("is_superuser", "on"),
        ];
        let version = std::iter::once(("server_version", format!("{LIKE}/bouncer")));
        version
            .chain(reports.into_iter().map(|(name, value)| (name, value.to_owned())))
            .collect()
    }

    fn columns(&self, statement: &str) -> Result<Vec<Column>, Refusal> {
        Ok(match Command::read(statement)? {
            Command::Show(show) => show.columns(),
            Command::Parameter(name, _) => vec![parameter(name)],
            _ => Vec::new(),
        })
    }

    fn answer<'a>(&'a self, statement: &'a str, asker: &'a Asker) -> BoxFuture<'a, Result<Answer, Refusal>> {
        async move {
            let command = Command::read(statement)?;
            if !asker.is_admin && is_for_admins(&command) {
                return Err(Refusal::new(Reason::Denied, "admin access needed"));
            }
            match command {
                Command::Show(show) => Ok(self.show(show).await),
                Command::Parameter(name, value) => Ok(Answer {
                    columns: vec![parameter(name)],
                    rows: vec![vec![value.into()]],
                    ..Answer::done("SHOW")
                }),
                Command::Set { key, value } => self.set(key, value).await,
                Command::SetParameter => Ok(Answer {
                    notices: vec!["SET ignored".to_owned()],
                    ..Answer::done("SET")
                }),
                Command::Reload => self.reload().await,
                Command::Shutdown(ending) => Ok(self.end(ending).await),
                Command::Pause(name) => self.pause(&name).await,
                Command::Resume(name) => self.resume(&name).await,
                Command::Kill(name) => self.kill(&name).await,
                Command::KillClient(id) => self.kill_client(&id).await,
                Command::Disable(name) => self.enable(&name, false).await,
                Command::Enable(name) => self.enable(&name, true).await,
                Command::Reconnect(name) => self.reconnect(&name).await,
                Command::WaitClose(name) => self.wait_close(&name).await,
                Command::Suspend => self.suspend().await,
            }
        }
        .boxed()
    }
}

fn is_for_admins(command: &Command) -> bool {
    match command {
        Command::Show(show) => show.is_for_admins(),
        Command::Parameter(..) | Command::SetParameter => false,
        _ => true,
    }
}

fn parameter(name: &'static str) -> Column {
    Column {
        name,
        kind: ColumnKind::Text,
    }
}

fn help() -> Answer {
    Answer {
        notices: vec![show::HELP.to_owned()],
        ..Answer::done("SHOW")
    }
}

fn state(orders: &Orders) -> Vec<Vec<Value>> {
    let word = |is_so: bool| if is_so { "yes" } else { "no" };
    let states = [
        ("active", word(!orders.is_paused && !orders.is_suspended)),
        ("paused", word(orders.is_paused)),
        ("suspended", word(orders.is_suspended)),
    ];
    states
        .into_iter()
        .map(|(key, value)| vec![key.into(), value.into()])
        .collect()
}
