use tidegate_base::{Reason, Refusal};
use tidegate_postgres_wire::{Head, frontend, sqlstate};
use tidegate_sql::may_change_session;

use super::exchange::Answer;
use super::shown::Showing;
use super::{PoolMode, Session};
use crate::effects::{Bracket, Touched};

impl Session {
    /// Looks at what a client asks for: in statement mode at whether it begins a transaction, and then as the chain wants.
    pub(super) fn look(&mut self, rest: &[u8]) -> Showing {
        if self.mode != PoolMode::Statement {
            return self.show(rest);
        }
        match self.begins_block(rest) {
            Some(false) => self.show(rest),
            Some(true) => {
                self.forget_shown();
                let length = Head::read(rest).ok().flatten().map_or(rest.len(), Head::total);
                Showing::Answered(length, Answer::refused(&no_blocks()))
            }
            None => Showing::More,
        }
    }

    /// Whether a transaction begins with the message at the start of `rest`; `None` when more of it must be here. What is
    /// too long to be looked at passes: [`no_blocks`] is then said behind it.
    fn begins_block(&self, rest: &[u8]) -> Option<bool> {
        let head = match Head::read(rest) {
            Ok(Some(head)) if matches!(head.kind, b'Q' | b'P') => head,
            Ok(Some(_)) | Err(_) => return Some(false),
            Ok(None) => return None,
        };
        let Some(body) = rest.get(Head::SIZE..head.total()) else {
            return (head.total() > self.group.rules.borrow().inspect).then_some(false);
        };
        let sql = match head.kind {
            b'Q' => frontend::read_query(body).ok(),
            _ => frontend::Parse::read(body).ok().map(|parse| parse.sql),
        };
        Some(sql.is_some_and(|sql| self.begins(sql)))
    }

    fn begins(&self, sql: &[u8]) -> bool {
        match Bracket::of(sql) {
            Some(bracket) => bracket.begins(),
            None => may_change_session(sql) && Touched::default().look(sql, self.settings.reading()).begins,
        }
    }
}

/// What is said of a transaction where there is to be none.
pub(super) fn no_blocks() -> Refusal {
    let text = "transaction blocks are not allowed in statement pooling mode";
    Refusal::new(Reason::Denied, text).with_code(sqlstate::FEATURE_NOT_SUPPORTED)
}
