use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Poll, ready};

use tidegate_base::{Kind, Origin, Reason, Refusal};
use tidegate_engine::{Answer, Asker, Leaving, SessionError, VirtualDatabase};
use tidegate_net::Stream;
use tidegate_postgres_wire::backend::{self, Severity, Status};
use tidegate_postgres_wire::frontend::{self, Execute};
use tidegate_postgres_wire::{CancelAddress, CancelKey, Frame, Head, Limits, Version, sqlstate};

use super::extended::{Books, broken, is_empty};
use super::row;
use crate::dial::fill;

/// How much is read at once.
const READ: usize = 4 * 1024;
/// The longest message that a client may send.
const LIMITS: Limits = Limits { frame: 64 * 1024 };
/// How much of a client is read while its statement runs, to see whether it is still there.
const MOST_AHEAD: usize = 128 * 1024;
/// The core in cancel keys of these sessions. A gateway with so many cores has no session in the last slot either.
const NO_CORE: u8 = CancelAddress::CORES - 1;

/// A client that is who it says it is, and may ask.
pub(crate) struct Visitor {
    pub(crate) stream: Stream,
    /// What it sent behind its login.
    pub(crate) held: Vec<u8>,
    pub(crate) database: Arc<dyn VirtualDatabase>,
    pub(crate) asker: Asker,
    pub(crate) leaving: Leaving,
    pub(crate) version: Version,
    /// What is to be said before AuthenticationOk.
    pub(crate) last_words: Vec<u8>,
}

/// Why a session goes no further.
enum End {
    /// The client has left.
    Gone,
    /// The client is to be told why.
    Told(Refusal),
    /// The stream broke.
    Broken(SessionError),
}

struct Session {
    visitor: Visitor,
    out: Vec<u8>,
    books: Books,
    /// A part of a batch failed: the rest is thrown away, up to its Sync.
    skips: bool,
}

/// Serves a client until it leaves, or until the process does.
pub(crate) async fn serve(visitor: Visitor) -> Result<(), SessionError> {
    let mut session = Session {
        visitor,
        out: Vec::new(),
        books: Books::default(),
        skips: false,
    };
    session.greet();
    match session.converse().await {
        End::Gone => Ok(()),
        End::Broken(error) => Err(error),
        End::Told(refusal) => {
            backend::refusal(&mut session.out, Severity::Fatal, &refusal);
            let told = session.flush().await;
            session.visitor.stream.shutdown_write();
            match told {
                Err(End::Broken(error)) => Err(error),
                _ if refusal.reason == Reason::ShuttingDown => Ok(()),
                _ => Err(SessionError::new(Origin::Downstream, Kind::Protocol, refusal.text)),
            }
        }
    }
}

impl Session {
    fn greet(&mut self) {
        self.out = std::mem::take(&mut self.visitor.last_words);
        backend::authentication_ok(&mut self.out);
        for (name, value) in self.visitor.database.reports() {
            backend::parameter_status(&mut self.out, name.as_bytes(), value.as_bytes());
        }
        // Drivers want a key; a cancel with this one finds nobody.
        if let Some(address) = CancelAddress::new(0, NO_CORE, CancelAddress::SLOTS - 1) {
            let key = CancelKey::new(address, self.visitor.version, fill);
            backend::backend_key_data(&mut self.out, key.process(), key.secret());
        }
        backend::ready(&mut self.out, Status::Idle);
    }

    async fn converse(&mut self) -> End {
        loop {
            let step = match self.frame() {
                Ok(Some((kind, body))) => self.take(kind, &body).await,
                Ok(None) => self.wait().await,
                Err(refusal) => Err(End::Told(refusal)),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// The next message, if it is there whole.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, Refusal> {
        let bytes = &mut self.visitor.held;
        let Some(head) = Head::read(bytes).map_err(|error| broken(&error))? else {
            return Ok(None);
        };
        LIMITS.check(head).map_err(|error| broken(&error))?;
        let Some((frame, length)) = Frame::read(bytes).map_err(|error| broken(&error))? else {
            return Ok(None);
        };
        let taken = (frame.kind, frame.body.to_vec());
        bytes.drain(..length);
        Ok(Some(taken))
    }

    /// Between statements: hears the client, and the end of the process.
    async fn wait(&mut self) -> Result<(), End> {
        self.flush().await?;
        let visitor = &mut self.visitor;
        tokio::select! {
            biased;
            read = read(&mut visitor.stream, &mut visitor.held) => heard(read),
            () = visitor.leaving.draining() => Err(End::Told(goodbye())),
        }
    }

    async fn take(&mut self, kind: u8, body: &[u8]) -> Result<(), End> {
        match kind {
            b'X' => return Err(End::Gone),
            b'S' => {
                self.skips = false;
                self.books.sync();
                backend::ready(&mut self.out, Status::Idle);
            }
            _ if self.skips => {}
            b'Q' => {
                if let Err(refusal) = self.simple(body).await? {
                    backend::refusal(&mut self.out, Severity::Error, &refusal);
                }
                backend::ready(&mut self.out, Status::Idle);
            }
            b'P' | b'B' | b'D' | b'E' | b'C' => {
                if let Err(refusal) = self.extended(kind, body).await? {
                    backend::refusal(&mut self.out, Severity::Error, &refusal);
                    self.skips = true;
                }
            }
            b'H' => self.flush().await?,
            // Left over from a COPY that there never was.
            b'd' | b'c' | b'f' => {}
            _ => return Err(End::Told(broken(&"a message that has no place here"))),
        }
        Ok(())
    }

    async fn simple(&mut self, body: &[u8]) -> Result<Result<(), Refusal>, End> {
        let text = match frontend::read_query(body) {
            Ok(text) => String::from_utf8_lossy(text).into_owned(),
            Err(error) => return Ok(Err(broken(&error))),
        };
        if is_empty(&text) {
            backend::empty_query(&mut self.out);
            return Ok(Ok(()));
        }
        let answer = match self.run(&text).await? {
            Ok(answer) => answer,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.notices(&answer);
        if !answer.columns.is_empty() {
            row::describe(&mut self.out, &answer.columns, None);
        }
        for values in &answer.rows {
            row::write(&mut self.out, &answer.columns, values, None);
        }
        backend::command_complete(&mut self.out, &answer.tag);
        Ok(Ok(()))
    }

    async fn extended(&mut self, kind: u8, body: &[u8]) -> Result<Result<(), Refusal>, End> {
        let (books, out) = (&mut self.books, &mut self.out);
        Ok(match kind {
            b'P' => books.parse(body, &*self.visitor.database, out),
            b'B' => books.bind(body, out),
            b'D' => books.describe(body, out),
            b'C' => books.close(body, out),
            _ => self.execute(body).await?,
        })
    }

    async fn execute(&mut self, body: &[u8]) -> Result<Result<(), Refusal>, End> {
        let execute = match Execute::read(body) {
            Ok(execute) => execute,
            Err(error) => return Ok(Err(broken(&error))),
        };
        let due = match self.books.portal(execute.portal) {
            Ok(portal) => (portal.answer.is_none() && !is_empty(&portal.text)).then(|| portal.text.clone()),
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(text) = due {
            let answer = match self.run(&text).await? {
                Ok(answer) => answer,
                Err(refusal) => return Ok(Err(refusal)),
            };
            self.notices(&answer);
            if let Ok(portal) = self.books.portal(execute.portal) {
                portal.answer = Some(answer);
            }
        }
        let sent = self.books.portal(execute.portal);
        Ok(sent.map(|portal| portal.send(execute.rows, &mut self.out)))
    }

    /// Runs a statement for as long as its client is there and the process waits.
    async fn run(&mut self, text: &str) -> Result<Result<Answer, Refusal>, End> {
        self.flush().await?;
        let (database, asker) = (Arc::clone(&self.visitor.database), self.visitor.asker.clone());
        let mut answering = database.answer(text, &asker);
        loop {
            let visitor = &mut self.visitor;
            let may_read = visitor.held.len() < MOST_AHEAD;
            tokio::select! {
                biased;
                answer = &mut answering => return Ok(answer),
                () = visitor.leaving.closing() => return Err(End::Told(goodbye())),
                read = read(&mut visitor.stream, &mut visitor.held), if may_read => heard(read)?,
            }
        }
    }

    fn notices(&mut self, answer: &Answer) {
        for notice in &answer.notices {
            backend::notice(&mut self.out, sqlstate::SUCCESSFUL_COMPLETION, notice);
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let (stream, leaving) = (&mut self.visitor.stream, &self.visitor.leaving);
        // A client that reads nothing does not hold up the end.
        let written = tokio::select! {
            biased;
            written = stream.write_all(&self.out) => written,
            () = leaving.closing() => return Err(End::Gone),
        };
        self.out.clear();
        written.map_err(|error| End::Broken(SessionError::downstream(&error)))
    }
}

/// Reads some more; nothing is lost when this is dropped before it is ready.
async fn read(stream: &mut Stream, held: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut scratch = [0; READ];
        let length = ready!(stream.poll_read(cx, &mut scratch))?;
        held.extend(scratch.iter().take(length));
        Poll::Ready(Ok(length))
    })
    .await
}

fn heard(read: io::Result<usize>) -> Result<(), End> {
    match read {
        Ok(0) => Err(End::Gone),
        Ok(_) => Ok(()),
        Err(error) => Err(End::Broken(SessionError::downstream(&error))),
    }
}

fn goodbye() -> Refusal {
    let text = "terminating connection because the gateway is shutting down";
    Refusal::new(Reason::ShuttingDown, text)
}
