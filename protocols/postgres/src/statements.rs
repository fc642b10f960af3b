use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::{Rc, Weak};

use tidegate_chain::Verb;

/// What names of the gateway's own begin with; a client's own name of that form is never sent on as it is.
pub(crate) const PREFIX: &[u8] = b"tg_";

/// A prepared statement, known under one name on every server of a core.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Its name on servers.
    pub(crate) name: Box<[u8]>,
    /// Parse's body behind the name: the text, a zero byte, and the parameter types.
    pub(crate) tail: Box<[u8]>,
    /// It was prepared by SQL: the tail is what follows the name in PREPARE.
    pub(crate) is_sql: bool,
    /// Whether its text may change the session.
    pub(crate) may_change_session: bool,
    number: u64,
    planning: u64,
}

impl Statement {
    /// The text.
    pub(crate) fn sql(&self) -> &[u8] {
        self.tail.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// A core's statements, each kept once for as long as a client or a server has it: text, parameter types and the
/// settings that change planning make a statement.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    known: RefCell<HashMap<u64, Vec<Weak<Statement>>>>,
    next: Cell<u64>,
    added: Cell<usize>,
}

/// How many additions pass between two sweeps of entries that nobody has any more.
const SWEEP: usize = 1024;

impl Interner {
    /// The one copy of this statement.
    pub(crate) fn intern(&self, tail: &[u8], planning: u64) -> Rc<Statement> {
        self.intern_as(tail, planning, false)
    }

    /// The one copy of a statement of SQL PREPARE: what follows its name.
    pub(crate) fn intern_sql(&self, tail: &[u8], planning: u64) -> Rc<Statement> {
        self.intern_as(tail, planning, true)
    }

    fn intern_as(&self, tail: &[u8], planning: u64, is_sql: bool) -> Rc<Statement> {
        let mut hasher = DefaultHasher::new();
        (tail, planning, is_sql).hash(&mut hasher);
        let mut known = self.known.borrow_mut();
        let same = known.entry(hasher.finish()).or_default();
        let found = same
            .iter()
            .filter_map(Weak::upgrade)
            .find(|found| *found.tail == *tail && found.planning == planning && found.is_sql == is_sql);
        if let Some(found) = found {
            return found;
        }
        let number = self.next.replace(self.next.get() + 1);
        let sql = tail.split(|byte| *byte == 0).next().unwrap_or_default();
        let statement = Rc::new(Statement {
            name: format!("tg_{number:x}").into_bytes().into_boxed_slice(),
            tail: tail.into(),
            is_sql,
            may_change_session: tidegate_sql::may_change_session(sql),
            number,
            planning,
        });
        same.push(Rc::downgrade(&statement));
        self.sweep(&mut known);
        statement
    }

    fn sweep(&self, known: &mut HashMap<u64, Vec<Weak<Statement>>>) {
        self.added.set(self.added.get() + 1);
        if self.added.get() >= SWEEP {
            self.added.set(0);
            known.retain(|_, same| {
                same.retain(|statement| statement.strong_count() > 0);
                !same.is_empty()
            });
        }
    }
}

/// The statements that one server connection has, bounded in bytes; the one used longest ago goes first.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    held: HashMap<u64, Held>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Held {
    statement: Rc<Statement>,
    used: u64,
}

impl Prepared {
    /// Whether the server has it; counts as a use.
    pub(crate) fn has(&mut self, statement: &Statement) -> bool {
        self.clock += 1;
        match self.held.get_mut(&statement.number) {
            Some(held) => {
                held.used = self.clock;
                true
            }
            None => false,
        }
    }

    /// The server has it now.
    pub(crate) fn add(&mut self, statement: Rc<Statement>) {
        self.clock += 1;
        self.bytes += size(&statement);
        let used = self.clock;
        self.held.insert(statement.number, Held { statement, used });
    }

    /// The server has it no more.
    pub(crate) fn remove(&mut self, statement: &Statement) {
        if self.held.remove(&statement.number).is_some() {
            self.bytes -= size(statement);
        }
    }

    /// The server has none any more.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.bytes = 0;
    }

    /// The statement that should go because the server has more than `most` bytes of them; called until it is `None`.
    pub(crate) fn evict(&mut self, most: usize) -> Option<Rc<Statement>> {
        if self.bytes <= most || self.held.len() < 2 {
            return None;
        }
        let oldest = self.held.iter().min_by_key(|(_, held)| held.used)?;
        let statement = Rc::clone(&oldest.1.statement);
        self.remove(&statement);
        Some(statement)
    }
}

/// What a statement costs a server, roughly: its text, and the tree and plan made of it.
fn size(statement: &Statement) -> usize {
    statement.tail.len() + 512
}

/// What texts do, by their fingerprints, so that only the first of its kind is parsed.
#[derive(Debug, Default)]
pub(crate) struct Verbs {
    known: RefCell<HashMap<u64, Verb>>,
}

impl Verbs {
    /// The most that are remembered; a workload with more kinds of texts than this begins anew.
    const MOST: usize = 8192;

    /// The verb of the text with this fingerprint.
    pub(crate) fn of(&self, fingerprint: u64, parse: impl FnOnce() -> Verb) -> Verb {
        let mut known = self.known.borrow_mut();
        if let Some(verb) = known.get(&fingerprint) {
            return *verb;
        }
        if known.len() >= Self::MOST {
            known.clear();
        }
        *known.entry(fingerprint).or_insert_with(parse)
    }
}

/// A client's own names for statements.
#[derive(Debug, Default)]
pub(crate) struct Names {
    named: HashMap<Box<[u8]>, Rc<Statement>>,
}

impl Names {
    /// The most names that one client can have; more is a leak that would eat the gateway's memory.
    pub(crate) const MOST: usize = 10_000;

    /// What the name means.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Rc<Statement>> {
        self.named.get(name)
    }

    /// Names a statement; `false` when the client has too many.
    pub(crate) fn insert(&mut self, name: Box<[u8]>, statement: Rc<Statement>) -> bool {
        if self.named.len() >= Self::MOST {
            return false;
        }
        self.named.insert(name, statement);
        true
    }

    /// Forgets a name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Rc<Statement>> {
        self.named.remove(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_statements_are_one_and_planning_parts_them() {
        let interner = Interner::default();
        let one = interner.intern(b"select 1\0\0\0", 7);
        assert!(Rc::ptr_eq(&one, &interner.intern(b"select 1\0\0\0", 7)));
        assert!(!Rc::ptr_eq(&one, &interner.intern(b"select 1\0\0\0", 8)));
        assert_eq!(one.sql(), b"select 1");
        assert!(one.name.starts_with(PREFIX));
    }

    #[test]
    fn forgets_what_nobody_has() {
        let interner = Interner::default();
        for number in 0..3 * SWEEP {
            interner.intern(format!("select {number}\0\0\0").as_bytes(), 0);
        }
        assert!(interner.known.borrow().len() <= SWEEP);
    }

    #[test]
    fn a_server_keeps_what_was_used_last() {
        let interner = Interner::default();
        let statements: Vec<_> = (0..3)
            .map(|number| interner.intern(format!("select {number}\0\0\0").as_bytes(), 0))
            .collect();
        let mut prepared = Prepared::default();
        for statement in &statements {
            prepared.add(Rc::clone(statement));
        }
        assert!(prepared.has(&statements[0]));
        let most = 2 * size(&statements[0]);
        assert_eq!(prepared.evict(most).unwrap().name, statements[1].name);
        assert!(prepared.evict(most).is_none());
        assert!(!prepared.has(&statements[1]));
        prepared.clear();
        assert_eq!((prepared.bytes, prepared.has(&statements[0])), (0, false));
    }
}
