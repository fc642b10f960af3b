use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use tidegate_kit::{Frame, RawClient, Reply, Target, message};

use super::{Random, SCHEMAS, Storm};

/// So long after its own cancel a client may find a query of its own cancelled.
const CANCEL_GRACE_MS: u64 = 5_000;

/// What came in the way of an exchange.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The request failed for a reason that the test made; the session goes on.
    Excused,
    /// The session is over, or nobody knows what became of the request.
    Lost,
    /// What must never happen.
    Wrong(String),
}

pub(crate) type Done = Result<(), Trouble>;

/// A client that knows what its own answers must look like.
pub(crate) struct Client<'s> {
    pub(super) id: usize,
    serial: u64,
    pub(super) random: Random,
    pub(super) storm: &'s Storm,
    pub(super) target: Target,
    pub(super) raw: RawClient,
    pub(super) settings: Settings,
    /// Its own named statements: name and generation.
    pub(super) statements: BTreeMap<u64, u64>,
    pub(super) generation: u64,
    pub(super) cancelled: Option<u64>,
    /// The sum of its rows in the ledger, as far as it knows.
    pub(super) ledger: Option<i64>,
    /// What it said last, for the report of what went wrong.
    history: VecDeque<String>,
}

/// How much of what a client said is reported.
const HISTORY: usize = 12;

/// What it has SET.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) application_name: String,
    pub(super) schema: Option<u64>,
    pub(super) own: String,
}

impl<'s> Client<'s> {
    pub(crate) fn connect(
        id: usize,
        storm: &'s Storm,
        target: &Target,
        random: Random,
        ledger: Option<i64>,
    ) -> Result<Self, Trouble> {
        let application_name = format!("client-{id}-start");
        let began = storm.now();
        let refused = |frame: &Frame| match excuse(storm, began, None, frame) {
            Ok(()) => Trouble::Lost,
            Err(text) => Trouble::Wrong(format!("client {id} cannot log in: {text}")),
        };
        let raw = RawClient::try_connect_with(target, &[("application_name", &application_name)]);
        let mut raw = raw.map_err(|frame| refused(&frame))?;
        raw.patience(Duration::from_secs(30));
        Ok(Self {
            id,
            serial: 0,
            random,
            storm,
            target: target.clone(),
            raw,
            settings: Settings {
                application_name,
                schema: None,
                own: String::new(),
            },
            statements: BTreeMap::new(),
            generation: 0,
            cancelled: None,
            ledger,
            history: VecDeque::new(),
        })
    }

    /// A text that no other request of any client has.
    pub(super) fn tag(&mut self) -> String {
        self.serial += 1;
        format!("client-{}-req-{}-{:x}", self.id, self.serial, self.random.next())
    }

    /// Sends bytes, and reads one reply for which no error is excused but the storm's.
    pub(super) fn ask(&mut self, bytes: &[u8]) -> Result<Reply, Trouble> {
        let began = self.storm.now();
        let reply = self.exchange(bytes)?;
        if let Some(error) = reply.error() {
            return Err(self.judge(began, &error, &reply));
        }
        Ok(reply)
    }

    /// As [`Self::ask`], where anything that goes wrong leaves the session in a state that nobody knows.
    pub(super) fn change(&mut self, bytes: &[u8]) -> Result<Reply, Trouble> {
        self.ask(bytes).map_err(|trouble| match trouble {
            Trouble::Excused => Trouble::Lost,
            other => other,
        })
    }

    pub(super) fn query(&mut self, sql: &str) -> Result<Reply, Trouble> {
        self.ask(&message::query(sql))
    }

    /// Sends bytes and reads up to ReadyForQuery, whatever the reply says.
    pub(super) fn exchange(&mut self, bytes: &[u8]) -> Result<Reply, Trouble> {
        self.send(bytes)?;
        self.reply(b"Z")
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Done {
        let began = self.storm.now();
        self.history.truncate(HISTORY);
        let said = String::from_utf8_lossy(bytes).replace(|letter: char| letter.is_control(), " ");
        self.history
            .push_front(format!("{began}: {}", said.chars().take(120).collect::<String>()));
        self.raw.try_send(bytes).map_err(|error| self.lost(began, &error))
    }

    /// Reads up to a message of one of these types. Notices and reports are not part of a reply, and whatever comes
    /// unasked must be the client's own.
    pub(super) fn reply(&mut self, ends: &[u8]) -> Result<Reply, Trouble> {
        let began = self.storm.now();
        let mut frames: Vec<Frame> = Vec::new();
        loop {
            let frame = match self.raw.try_frame() {
                Ok(frame) => frame,
                Err(error) => {
                    let fatal = frames.iter().rfind(|frame| frame.tag == b'E').cloned();
                    return Err(match fatal {
                        Some(fatal) => self.ended_by(began, &fatal),
                        None => self.lost(began, &error),
                    });
                }
            };
            match frame.tag {
                b'N' | b'S' => {}
                b'A' => self.notified(&frame)?,
                tag => {
                    frames.push(frame);
                    if ends.contains(&tag) {
                        return Ok(Reply { frames });
                    }
                }
            }
        }
    }

    fn notified(&self, frame: &Frame) -> Done {
        let text = frame.body.escape_ascii().to_string();
        let own = format!("channel_{}\\x00", self.id);
        if text.contains(&own) {
            return Ok(());
        }
        self.wrong(&format!("a foreign notification: {text}"))
    }

    fn ended_by(&self, began: u64, error: &Frame) -> Trouble {
        match excuse(self.storm, began, self.cancelled, error) {
            Ok(()) => Trouble::Lost,
            Err(text) => self.report(&format!("the session ended: {text}")),
        }
    }

    fn lost(&self, began: u64, error: &io::Error) -> Trouble {
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            return self.report("no answer in 30 s");
        }
        if self.storm.excuses(began) {
            self.storm.count("connections lost without a word");
            return Trouble::Lost;
        }
        self.report(&format!("the connection was lost in calm weather: {error}"))
    }

    /// An error that the request did not ask for.
    pub(super) fn judge(&self, began: u64, error: &Frame, reply: &Reply) -> Trouble {
        match excuse(self.storm, began, self.cancelled, error) {
            Ok(()) if reply.status() == Some('I') => Trouble::Excused,
            Ok(()) => Trouble::Lost,
            Err(text) => self.report(&text),
        }
    }

    /// The reply must have just these types of messages and these rows.
    pub(super) fn check(&self, reply: &Reply, tags: &str, rows: &[Vec<String>]) -> Done {
        let found = (reply.tags(), reply.rows());
        if found.0 == tags && found.1 == rows {
            return Ok(());
        }
        self.wrong(&format!("expected {tags} with {rows:?}\nbut got {found:?}"))
    }

    /// The transaction status must be this one.
    pub(super) fn status(&self, reply: &Reply, status: char) -> Done {
        if reply.status() == Some(status) {
            return Ok(());
        }
        self.wrong(&format!("expected status {status}: {reply:?}"))
    }

    pub(super) fn wrong(&self, text: &str) -> Done {
        Err(self.report(text))
    }

    /// What went wrong, and what this client said before.
    fn report(&self, text: &str) -> Trouble {
        let (now, cancelled) = (self.storm.now(), self.cancelled);
        let said: Vec<_> = self.history.iter().map(String::as_str).collect();
        let said = said.join("\n  ");
        Trouble::Wrong(format!(
            "client {}: {text}\n  at {now}, cancelled at {cancelled:?}, latest first:\n  {said}",
            self.id
        ))
    }

    /// The search path as SHOW tells it.
    pub(super) fn search_path(&self) -> String {
        match self.settings.schema {
            Some(schema) => format!("schema_{}", schema % SCHEMAS),
            None => "\"$user\", public".to_owned(),
        }
    }
}

/// Whether the test itself made this error.
fn excuse(storm: &Storm, began: u64, cancelled: Option<u64>, error: &Frame) -> Result<(), String> {
    let code = error.sqlstate();
    let now = storm.now();
    let is_made = match code.as_str() {
        "57014" => cancelled.is_some_and(|at| now <= at.saturating_add(CANCEL_GRACE_MS)),
        // Ended by an administrator or a crash, starting up, connection lost, no place became free.
        "57P01" | "57P02" | "57P03" | "08006" | "53300" => storm.excuses(began),
        _ => false,
    };
    storm.count(&format!("errors {code}"));
    if is_made {
        return Ok(());
    }
    Err(format!("an error that nobody made: {:?}", error.fields()))
}
