//! Transactions, settings, COPY: what needs a server for longer than one exchange, or leaves something behind.

use tidegate_kit::message;

use super::SCHEMAS;
use super::client::{Client, Done, Trouble};

impl Client<'_> {
    /// One server for all of a transaction, and every committed row is there exactly once.
    pub(super) fn transaction(&mut self) -> Done {
        let known = match self.ledger {
            Some(known) => known,
            None => self.read_ledger()?,
        };
        self.ledger = Some(known);
        let begin = self.change(&message::query("BEGIN"))?;
        self.check(&begin, "CZ", &[])?;
        self.status(&begin, 'T')?;
        let amount = i64::try_from(self.random.below(1000)).unwrap_or(0);
        let pid = self.change(&message::query("SELECT pg_backend_pid()"))?.rows();
        let insert = format!("INSERT INTO public.ledger VALUES ({}, {amount})", self.id);
        self.change(&message::query(&insert))?;
        let sql = format!(
            "SELECT pg_backend_pid(), coalesce(sum(amount), 0) FROM public.ledger WHERE owner = {}",
            self.id
        );
        let reply = self.change(&message::query(&sql))?;
        let server = pid.first().and_then(|row| row.first()).cloned().unwrap_or_default();
        self.check(&reply, "TDCZ", &[vec![server, (known + amount).to_string()]])?;
        self.status(&reply, 'T')?;
        match self.random.below(4) {
            0 => {
                let reply = self.change(&message::query("ROLLBACK"))?;
                self.status(&reply, 'I')
            }
            // Gone in the midst of it: the next client of that server must not be in this transaction.
            1 => Err(Trouble::Lost),
            _ => {
                self.ledger = None;
                let reply = self.change(&message::query("COMMIT"))?;
                self.status(&reply, 'I')?;
                self.ledger = Some(known + amount);
                Ok(())
            }
        }
    }

    fn read_ledger(&mut self) -> Result<i64, Trouble> {
        let sql = format!(
            "SELECT coalesce(sum(amount), 0) FROM public.ledger WHERE owner = {}",
            self.id
        );
        let reply = self.query(&sql)?;
        Ok(reply.value().parse().unwrap_or(0))
    }

    /// What is known of the ledger must still be so.
    pub(super) fn audit(&mut self) -> Done {
        let found = self.read_ledger()?;
        match self.ledger.replace(found) {
            Some(known) if known != found => self.wrong(&format!("the ledger holds {found}, and should hold {known}")),
            _ => Ok(()),
        }
    }

    /// SET, in or out of a transaction that may be rolled back, by itself or by function.
    pub(super) fn set(&mut self) -> Done {
        let mut next = self.settings.clone();
        let tag = self.tag();
        let sql = match self.random.below(5) {
            0 => {
                next.application_name.clone_from(&tag);
                format!("SET application_name = '{tag}'")
            }
            1 => {
                let schema = self.random.below(SCHEMAS);
                next.schema = Some(schema);
                format!("SET search_path = schema_{schema}")
            }
            2 => {
                next.schema = None;
                "RESET search_path".to_owned()
            }
            3 => {
                next.application_name.clone_from(&tag);
                format!("SELECT set_config('application_name', '{tag}', false)")
            }
            _ => {
                next.own.clone_from(&tag);
                format!("SET mix.tag = '{tag}'")
            }
        };
        match self.random.below(4) {
            0 => {
                for sql in ["BEGIN", &sql, "ROLLBACK"] {
                    self.change(&message::query(sql))?;
                }
            }
            1 => {
                for sql in ["BEGIN", &sql, "COMMIT"] {
                    self.change(&message::query(sql))?;
                }
                self.settings = next;
            }
            _ => {
                self.change(&message::query(&sql))?;
                self.settings = next;
            }
        }
        self.look()
    }

    /// What this client has SET, and nothing that anybody else has.
    pub(super) fn look(&mut self) -> Done {
        let sql = "SELECT current_setting('application_name'), current_setting('search_path'), \
                   coalesce(current_setting('mix.tag', true), ''), current_user, \
                   to_regclass('pg_temp.mine') IS NULL";
        let reply = self.query(sql)?;
        let row = vec![
            self.settings.application_name.clone(),
            self.search_path(),
            self.settings.own.clone(),
            self.target.user.clone(),
            "t".to_owned(),
        ];
        self.check(&reply, "TDCZ", &[row])?;
        if self.settings.schema.is_some() {
            let reply = self.query("SELECT name FROM whereami")?;
            let name = self.search_path();
            self.check(&reply, "TDCZ", &[vec![name]])?;
        }
        Ok(())
    }

    /// Rows of this client, and as many as it asked for.
    pub(super) fn copy_out(&mut self) -> Done {
        let tag = self.tag();
        let count = 1 + self.random.below(1500);
        let sql = format!("COPY (SELECT '{tag}-' || n FROM generate_series(1, {count}) n) TO STDOUT");
        let reply = self.query(&sql)?;
        let lines = reply.frames.iter().filter(|frame| frame.tag == b'd');
        let is_right = lines
            .zip(1..)
            .all(|(frame, number): (_, u64)| frame.body == format!("{tag}-{number}\n").as_bytes());
        let data = usize::try_from(count).unwrap_or(0);
        if !is_right || reply.tags() != format!("H{}cCZ", "d".repeat(data)) {
            return self.wrong(&format!("COPY of {count} rows of {tag} gave {reply:?}"));
        }
        Ok(())
    }

    /// A COPY into a table, in a transaction of its own; it may be given up by either side.
    pub(super) fn copy_in(&mut self) -> Done {
        let tag = self.tag();
        self.change(&message::query("BEGIN"))?;
        let began = self.storm.now();
        self.send(&message::query("COPY public.inbox FROM STDIN"))?;
        let reply = self.reply(b"GZ")?;
        if let Some(error) = reply.error() {
            return Err(match self.judge(began, &error, &reply) {
                Trouble::Excused => Trouble::Lost,
                other => other,
            });
        }
        self.check(&reply, "G", &[])?;
        let count = 1 + self.random.below(400);
        let data = (0..count).flat_map(|number| message::copy_data(format!("{tag}\t{number}\n").as_bytes()));
        self.send(&data.collect::<Vec<u8>>())?;
        match self.random.below(6) {
            0 => return Err(Trouble::Lost),
            1 => {
                let reply = self.exchange(&message::copy_fail("changed my mind"))?;
                let code = reply.sqlstate();
                if code != "57014" && !self.storm.excuses(began) {
                    return self.wrong(&format!("CopyFail gave {reply:?}"));
                }
                return Err(Trouble::Lost);
            }
            _ => {}
        }
        let reply = self.change(&message::copy_done())?;
        self.check(&reply, "CZ", &[])?;
        let sql = format!("SELECT count(*), max(number) FROM public.inbox WHERE owner = '{tag}'");
        let reply = self.change(&message::query(&sql))?;
        self.check(&reply, "TDCZ", &[vec![count.to_string(), (count - 1).to_string()]])?;
        self.change(&message::query("ROLLBACK")).map(|_| ())
    }

    /// A temporary table keeps its server until it is gone.
    pub(super) fn temporary(&mut self) -> Done {
        let tag = self.tag();
        self.change(&message::query(&format!(
            "CREATE TEMP TABLE mine AS SELECT '{tag}' AS tag"
        )))?;
        for _ in 0..2 {
            let reply = self.change(&message::query("SELECT tag FROM pg_temp.mine"))?;
            self.check(&reply, "TDCZ", &[vec![tag.clone()]])?;
        }
        if self.random.once_in(3) {
            return Err(Trouble::Lost);
        }
        self.change(&message::query("DROP TABLE pg_temp.mine")).map(|_| ())
    }

    /// LISTEN keeps the server; only this client's own channel may be heard.
    pub(super) fn listen(&mut self) -> Done {
        self.change(&message::query(&format!("LISTEN channel_{}", self.id)))?;
        let tag = self.tag();
        self.change(&message::query(&format!("NOTIFY channel_{}, '{tag}'", self.id)))?;
        if self.random.once_in(3) {
            return Err(Trouble::Lost);
        }
        self.change(&message::query("UNLISTEN *")).map(|_| ())
    }
}
