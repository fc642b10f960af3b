use std::collections::HashMap;
use std::fmt::Display;

use tidegate_base::{Reason, Refusal};
use tidegate_engine::{Answer, Column, VirtualDatabase};
use tidegate_postgres_wire::backend;
use tidegate_postgres_wire::frontend::{Bind, Parse, Target};
use tidegate_postgres_wire::{Bound, sqlstate};

use super::row;

/// The most prepared statements of a session, and the most portals.
const MOST: usize = 100;

/// A session's prepared statements and portals (55.2.3).
#[derive(Debug, Default)]
pub(super) struct Books {
    statements: HashMap<Box<[u8]>, Prepared>,
    portals: HashMap<Box<[u8]>, Portal>,
}

/// A statement, and what its rows will look like.
#[derive(Debug, Clone)]
struct Prepared {
    text: String,
    columns: Vec<Column>,
}

/// A statement on its way.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) text: String,
    pub(super) answer: Option<Answer>,
    columns: Vec<Column>,
    formats: Bound,
    sent: usize,
}

impl Books {
    /// Parse.
    pub(super) fn parse(
        &mut self,
        body: &[u8],
        database: &dyn VirtualDatabase,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let parse = Parse::read(body).map_err(|error| broken(&error))?;
        let text = String::from_utf8_lossy(parse.sql).into_owned();
        let columns = if is_empty(&text) {
            Vec::new()
        } else {
            database.columns(&text)?
        };
        if !parse.name.is_empty() && self.statements.contains_key(parse.name) {
            let name = String::from_utf8_lossy(parse.name);
            let text = format!("prepared statement \"{name}\" already exists");
            return Err(Refusal::new(Reason::Invalid, text).with_code(sqlstate::DUPLICATE_PREPARED_STATEMENT));
        }
        has_room(&self.statements, parse.name)?;
        self.statements.insert(parse.name.into(), Prepared { text, columns });
        backend::parse_complete(out);
        Ok(())
    }

    /// Bind.
    pub(super) fn bind(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let bind = Bind::read(body).map_err(|error| broken(&error))?;
        let formats = bind.read_rest().map_err(|error| broken(&error))?;
        if formats.parameters > 0 {
            return Err(Refusal::new(
                Reason::Invalid,
                "statements of this database take no parameters",
            ));
        }
        let prepared = self.statement(bind.statement)?.clone();
        has_room(&self.portals, bind.portal)?;
        let portal = Portal {
            text: prepared.text,
            answer: None,
            columns: prepared.columns,
            formats,
            sent: 0,
        };
        self.portals.insert(bind.portal.into(), portal);
        backend::bind_complete(out);
        Ok(())
    }

    /// Describe.
    pub(super) fn describe(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let (columns, formats) = match Target::read(body).map_err(|error| broken(&error))? {
            Target::Statement(name) => {
                backend::parameter_description(out, &[]);
                (&self.statement(name)?.columns, None)
            }
            Target::Portal(name) => {
                let portal = self.portal(name)?;
                (&portal.columns, Some(&portal.formats))
            }
        };
        if columns.is_empty() {
            backend::no_data(out);
        } else {
            row::describe(out, columns, formats);
        }
        Ok(())
    }

    /// Close; what is not there is closed.
    pub(super) fn close(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        match Target::read(body).map_err(|error| broken(&error))? {
            Target::Statement(name) => drop(self.statements.remove(name)),
            Target::Portal(name) => drop(self.portals.remove(name)),
        }
        backend::close_complete(out);
        Ok(())
    }

    /// A portal by its name.
    pub(super) fn portal(&mut self, name: &[u8]) -> Result<&mut Portal, Refusal> {
        self.portals.get_mut(name).ok_or_else(|| {
            let text = format!("portal \"{}\" does not exist", String::from_utf8_lossy(name));
            Refusal::new(Reason::Invalid, text).with_code(sqlstate::INVALID_CURSOR_NAME)
        })
    }

    /// Sync: portals live as long as a transaction.
    pub(super) fn sync(&mut self) {
        self.portals.clear();
    }

    fn statement(&self, name: &[u8]) -> Result<&Prepared, Refusal> {
        self.statements.get(name).ok_or_else(|| {
            let text = format!(
                "prepared statement \"{}\" does not exist",
                String::from_utf8_lossy(name)
            );
            Refusal::new(Reason::Invalid, text).with_code(sqlstate::INVALID_STATEMENT_NAME)
        })
    }
}

impl Portal {
    /// Sends the next rows of an answer that is there; zero or less is all of them.
    pub(super) fn send(&mut self, rows: i32, out: &mut Vec<u8>) {
        let Some(answer) = &self.answer else {
            return backend::empty_query(out);
        };
        let most = usize::try_from(rows).ok().filter(|rows| *rows > 0);
        let left = answer.rows.iter().skip(self.sent);
        for values in left.take(most.unwrap_or(usize::MAX)) {
            row::write(out, &answer.columns, values, Some(&self.formats));
            self.sent += 1;
        }
        if self.sent < answer.rows.len() {
            backend::portal_suspended(out);
        } else {
            backend::command_complete(out, &answer.tag);
        }
    }
}

/// Whether there is nothing to be done.
pub(super) fn is_empty(statement: &str) -> bool {
    statement.chars().all(|c| c.is_ascii_whitespace() || c == ';')
}

pub(super) fn broken(error: &impl Display) -> Refusal {
    Refusal::new(Reason::Invalid, error.to_string())
}

fn has_room<T>(known: &HashMap<Box<[u8]>, T>, name: &[u8]) -> Result<(), Refusal> {
    if known.len() < MOST || known.contains_key(name) {
        return Ok(());
    }
    let text = format!("more than {MOST} prepared statements or portals");
    Err(Refusal::new(Reason::Overloaded, text).with_code(sqlstate::PROGRAM_LIMIT_EXCEEDED))
}
