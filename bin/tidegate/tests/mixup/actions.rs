//! What a client does next, and the plain and the rude of it.

use std::fmt::Write as _;
use std::time::Duration;

use tidegate_kit::{RawClient, message};

use super::client::{Client, Done, Trouble};

impl Client<'_> {
    /// One thing, chosen at random.
    pub(crate) fn act(&mut self) -> Done {
        match self.random.below(1000) {
            0..250 => self.simple(),
            250..330 => self.several(),
            330..530 => self.prepared(),
            530..600 => self.pipeline(),
            600..650 => self.batch(),
            650..720 => self.transaction(),
            720..760 => self.audit(),
            760..840 => self.set(),
            840..880 => self.look(),
            880..905 => self.copy_out(),
            905..930 => self.copy_in(),
            930..937 => self.temporary(),
            937..944 => self.listen(),
            944..965 => self.cancel(),
            965..975 => self.statement_timeout(),
            975..990 => self.leave_rudely(),
            990..991 => self.query_timeout(),
            _ => self.mistake(),
        }
    }

    fn simple(&mut self) -> Done {
        let tag = self.tag();
        let reply = self.query(&format!("SELECT '{tag}'"))?;
        self.check(&reply, "TDCZ", &[vec![tag]])
    }

    /// Several statements in one message.
    fn several(&mut self) -> Done {
        let (mut sql, mut tags, mut rows) = (String::new(), String::new(), Vec::new());
        for _ in 0..=self.random.below(4) {
            let tag = self.tag();
            let _infallible = write!(sql, "SELECT n, '{tag}' FROM generate_series(1, 2) n;");
            tags.push_str("TDDC");
            rows.extend(["1", "2"].map(|number| vec![number.to_owned(), tag.clone()]));
        }
        tags.push('Z');
        let reply = self.query(&sql)?;
        self.check(&reply, &tags, &rows)
    }

    /// An error of this client's own stays its own, with its own text.
    fn mistake(&mut self) -> Done {
        let tag = self.tag();
        let began = self.storm.now();
        let reply = self.exchange(&message::query(&format!("SELECT '{tag}'::int")))?;
        match reply.error() {
            Some(error) if error.sqlstate() == "22P02" && error.field('M').contains(&tag) => {
                self.check(&reply, "EZ", &[])?;
                self.status(&reply, 'I')
            }
            Some(error) => Err(self.judge(began, &error, &reply)),
            None => self.wrong(&format!("a cast of {tag} to a number succeeded")),
        }
    }

    /// A cancel while a query runs, while it waits for a server, or when there is nothing to cancel any more.
    fn cancel(&mut self) -> Done {
        let tag = self.tag();
        let seconds = ["0.02", "0.1", "0.3"][usize::try_from(self.random.below(3)).unwrap_or(0)];
        self.send(&message::query(&format!("SELECT '{tag}' FROM pg_sleep({seconds})")))?;
        let delay = self.random.millis(0, 150);
        std::thread::sleep(delay);
        let mut other = RawClient::open(self.raw.socket().peer_addr().map_err(|_| Trouble::Lost)?);
        self.cancelled = Some(u64::MAX);
        other.send(&self.raw.cancel_request());
        if !other.closed_within(Duration::from_secs(20)) {
            return self.wrong("a cancel request was not answered by closing");
        }
        let began = self.storm.now();
        let reply = self.reply(b"Z");
        self.cancelled = Some(self.storm.now());
        let reply = reply?;
        match reply.error() {
            Some(error) => Err(self.judge(began, &error, &reply)),
            None => self.check(&reply, "TDCZ", &[vec![tag]]),
        }
    }

    /// The server's own timeout ends a transaction's statement; the client rolls back and goes on.
    fn statement_timeout(&mut self) -> Done {
        let began = self.storm.now();
        self.change(&message::query("BEGIN"))?;
        let sql = "SET LOCAL statement_timeout = '30ms'; SELECT pg_sleep(5)";
        let reply = self.exchange(&message::query(sql))?;
        let error = reply.error();
        if error.as_ref().is_none_or(|error| error.sqlstate() != "57014") {
            return match error {
                Some(error) => Err(self.judge(began, &error, &reply)),
                None => self.wrong(&format!("statement_timeout ended nothing: {reply:?}")),
            };
        }
        // On a busy machine the time may be over before the sleep has begun.
        if !["CTEZ", "CEZ", "EZ"].contains(&reply.tags().as_str()) {
            return self.wrong(&format!("statement_timeout gave {reply:?}"));
        }
        self.status(&reply, 'E')?;
        let reply = self.change(&message::query("ROLLBACK"))?;
        self.status(&reply, 'I')
    }

    /// The gateway's timeout cancels at the server.
    fn query_timeout(&mut self) -> Done {
        let began = self.storm.now();
        let reply = self.exchange(&message::query("SELECT pg_sleep(60)"))?;
        match reply.error() {
            Some(error) if error.sqlstate() == "57014" => self.status(&reply, 'I'),
            Some(error) => Err(self.judge(began, &error, &reply)),
            None => self.wrong("a minute's sleep was not cancelled"),
        }
    }

    /// Gone in the midst of something.
    fn leave_rudely(&mut self) -> Done {
        let tag = self.tag();
        match self.random.below(5) {
            // With an answer under way.
            0 => self.send(&message::query(&format!("SELECT '{tag}' FROM pg_sleep(0.01)")))?,
            // With a long answer under way, and a window that fills.
            1 => {
                let sql = format!("SELECT repeat('{tag}', 100) FROM generate_series(1, 2000)");
                self.send(&message::query(&sql))?;
                let _some = self.raw.try_frame();
            }
            // With half of a message.
            2 => {
                let bytes = message::query(&format!("SELECT '{tag}'"));
                self.send(&bytes[..bytes.len() / 2])?;
            }
            // With half of an exchange.
            3 => {
                let parse = message::parse("", &format!("SELECT '{tag}'"));
                self.send(&[parse, message::bind("", "", &[])].concat())?;
            }
            // Half closed: what still comes must be this client's own.
            _ => {
                self.send(&message::query(&format!("SELECT '{tag}'")))?;
                self.raw.half_close();
                let reply = self.reply(b"Z");
                if let Ok(reply) = reply
                    && reply.error().is_none()
                {
                    self.check(&reply, "TDCZ", &[vec![tag]])?;
                }
            }
        }
        Err(Trouble::Lost)
    }

    /// The end of a connection: by a reset, by closing, or as the protocol wants it.
    pub(crate) fn end(self) -> (super::Random, Option<i64>) {
        let (mut random, ledger) = (self.random.clone(), self.ledger);
        match random.below(3) {
            0 => self.raw.reset(),
            1 => self.raw.terminate(),
            _ => drop(self),
        }
        (random, ledger)
    }
}
