use std::ops::Range;
use std::rc::Rc;

use tidegate_postgres_wire::Head;
use tidegate_postgres_wire::backend::{self, Status};
use tidegate_postgres_wire::frontend;
use tidegate_sql::{Effect, Which, statements};

use super::Session;
use super::gather::Gather;
use super::requests::Step;
use crate::effects::Reading;
use crate::expected::Entry;
use crate::server::{Local, Naming, ServerLease};
use crate::statements::{PREFIX, Statement};

impl Session {
    /// PREPARE, EXECUTE and DEALLOCATE by SQL, alone in their Query: they name statements as Parse, Bind and Close do, and
    /// get the gateway's names for them. `None` for anything else, which is left to the server, and may hold it.
    pub(super) fn sql_prepare(
        &mut self,
        lease: &mut ServerLease,
        head: Head,
        sql: &[u8],
        gather: &mut Gather<'_>,
        at: usize,
    ) -> Option<Step> {
        if lease.pinned
            || lease.expected.is_open()
            || !names_a_statement(sql)
            || self.settings.reading() != Reading::Plain
        {
            return None;
        }
        let mut all = statements(sql);
        let statement = all.next().filter(|_| all.next().is_none())?;
        let [effect] = &statement.effects[..] else { return None };
        let rename = |gather: &mut Gather<'_>, span: &Range<usize>, name: &[u8]| {
            gather.cut(at);
            let text = [&sql[..span.start], b"\"", name, b"\"", &sql[span.end..]].concat();
            frontend::query(&mut gather.out, &text);
            Step::Replaced(head.total())
        };
        match effect {
            Effect::Prepare { name, name_span, after } => {
                let prepared = self
                    .room
                    .statements
                    .intern_sql(&sql[after.clone()], self.settings.planning());
                if let Some(known) = self.meaning(lease, name) {
                    // The name is taken: the server itself says so, of the name that it knows the statement by.
                    self.ensure_sql(lease, &known)?;
                    lease.expected.sent(Entry::Query);
                    return Some(rename(gather, name_span, &known.name));
                }
                let naming = Naming::Give(name.as_ref().into(), Rc::clone(&prepared));
                if lease.status != Status::Failed && lease.prepared.has(&prepared) {
                    return Some(self.answer(lease, "PREPARE", naming));
                }
                lease.expected.sent(Entry::Prepare);
                lease.naming.push_back(naming);
                Some(rename(gather, name_span, &prepared.name))
            }
            Effect::Execute { name, name_span } => {
                let Some(known) = self.meaning(lease, name) else {
                    // A client's own name must not hit a statement of the gateway's.
                    let foreign = name.starts_with(PREFIX).then(|| [name, &b"?"[..]].concat())?;
                    lease.expected.sent(Entry::Query);
                    return Some(rename(gather, name_span, &foreign));
                };
                self.ensure_sql(lease, &known)?;
                if known.may_change_session {
                    self.touch(known.sql());
                }
                lease.expected.sent(Entry::Query);
                Some(rename(gather, name_span, &known.name))
            }
            Effect::Deallocate {
                which: Which::Named(name),
                ..
            } if lease.status != Status::Failed && self.meaning(lease, name).is_some() => {
                let naming = Naming::Take(name.as_ref().into());
                Some(self.answer(lease, "DEALLOCATE", naming))
            }
            _ => None,
        }
    }

    /// The gateway answers in the server's place.
    fn answer(&self, lease: &mut ServerLease, tag: &str, naming: Naming) -> Step {
        let mut words = Vec::new();
        backend::command_complete(&mut words, tag);
        backend::ready(&mut words, lease.status);
        lease.local.push_back(Local { words, renames: true });
        lease.naming.push_back(naming);
        lease.expected.sent(Entry::Local);
        Step::Drop
    }

    /// Prepares a statement on a server that lacks it, ahead of the request that needs it. `None` when that cannot be
    /// done here.
    pub(super) fn ensure_sql(&self, lease: &mut ServerLease, statement: &Rc<Statement>) -> Option<()> {
        let is_coming = |naming: &Naming| matches!(naming, Naming::Give(_, given) if Rc::ptr_eq(given, statement));
        if lease.prepared.has(statement) || lease.naming.iter().any(is_coming) {
            lease.batch.runs(statement);
            return Some(());
        }
        if !statement.is_sql || lease.expected.is_open() || lease.status == Status::Failed {
            return None;
        }
        let sql = [b"PREPARE ", &*statement.name, b" ", &*statement.tail].concat();
        self.own_query(lease, &sql);
        // Should the server refuse, the connection counts as tainted, and is made clean before anybody else has it.
        lease.prepared.add(Rc::clone(statement));
        Some(())
    }
}

/// Whether the text's first word may name a statement.
fn names_a_statement(sql: &[u8]) -> bool {
    let sql = sql.trim_ascii_start();
    let words: [&[u8]; 5] = [b"prepare", b"execute", b"deallocate", b"explain", b"create"];
    words.iter().any(|word| {
        sql.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    })
}
