use crate::lexer::{continues_word, is_blank};

/// The fast first look at a statement of SQL, at every request: whether it could change what the session remembers
/// (settings, prepared statements, cursors, temporary tables, advisory locks, subscriptions) or where its transaction
/// begins or ends. It may say yes too often, and [`crate::statements`] then finds out; it never says no wrongly, but
/// for what functions of the server do inside.
///
/// Yes is everything that does not begin with a keyword of plain reading and writing, that has more than one
/// statement, or that holds one of a few words anywhere. Allocates nothing.
pub fn may_change_session(sql: &[u8]) -> bool {
    let Some(start) = first_letter(sql) else {
        return true;
    };
    let rest = sql.get(start..).unwrap_or_default();
    if rest.is_empty() {
        return false;
    }
    let len = rest
        .iter()
        .position(|byte| !continues_word(*byte))
        .unwrap_or(rest.len());
    let (word, rest) = rest.split_at(len);
    !is_plain(word) || holds_a_sign(rest)
}

/// Where the first keyword begins, behind white space, comments, semicolons and opening parentheses. `None` when a
/// comment nests, which is left to the lexer.
fn first_letter(sql: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = sql.get(at..).unwrap_or_default();
        at += match rest {
            [first, ..] if is_blank(*first) || matches!(first, b'(' | b';') => 1,
            [b'-', b'-', ..] => memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()),
            [b'/', b'*', inside @ ..] => {
                let end = memchr::memmem::find(inside, b"*/").unwrap_or(inside.len());
                let comment = inside.get(..end).unwrap_or_default();
                if memchr::memmem::find(comment, b"/*").is_some() {
                    return None;
                }
                (end + 4).min(rest.len())
            }
            _ => return Some(at),
        };
    }
}

fn is_plain(word: &[u8]) -> bool {
    const PLAIN: [&[u8]; 10] = [
        b"select", b"insert", b"update", b"delete", b"with", b"values", b"fetch", b"show", b"merge", b"table",
    ];
    PLAIN.iter().any(|plain| word.eq_ignore_ascii_case(plain))
}

/// Looks for the words of interest by their rarest bytes: `set_config`, `pg_settings` (an UPDATE of that view sets them)
/// and the advisory locks' `…_advisory…` by the underscore, `U&"…"` (behind which any name can hide) by the ampersand,
/// `temp` by its last letter; and for a second statement by the semicolon.
fn holds_a_sign(sql: &[u8]) -> bool {
    let is_sign = |at: usize| {
        let (before, behind) = sql.split_at(at);
        match behind {
            [b';', behind @ ..] => behind.iter().any(|byte| !is_blank(*byte) && *byte != b';'),
            [b'&', behind @ ..] => ends_with(before, b"u") && behind.first() == Some(&b'"'),
            [_, behind @ ..] => {
                starts_with(behind, b"advisory")
                    || (ends_with(before, b"set") && starts_with(behind, b"config"))
                    || (ends_with(before, b"pg") && starts_with(behind, b"settings"))
            }
            [] => false,
        }
    };
    let is_temp = |at: usize| ends_with(&sql[..at], b"tem");
    memchr::memchr3_iter(b'_', b';', b'&', sql).any(is_sign) || memchr::memchr2_iter(b'p', b'P', sql).any(is_temp)
}

fn ends_with(text: &[u8], word: &[u8]) -> bool {
    text.len()
        .checked_sub(word.len())
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: bool, list: &[&str]) {
        for sql in list {
            assert_eq!(may_change_session(sql.as_bytes()), expected, "{sql}");
        }
    }

    #[test]
    fn plain_work_passes() {
        check(
            false,
            &[
                "SELECT abalance FROM pgbench_accounts WHERE aid = 1;",
                "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2",
                "insert into history values (1, 2) ;\n",
                "-- set x\nselect 1",
                "/* SET x = 1 */ (select 1)",
                "",
                "  ; ",
                "select a & b, preset_x, vp, advisory, set_b, pg_a, _ from t;;",
                "with x as (select 1) select * from x",
            ],
        );
    }

    #[test]
    fn whatever_could_leave_a_trace_is_seen() {
        check(
            true,
            &[
                "SET x = 1",
                "/* a /* b */ */ set x = 1",
                "/* unterminated /* set",
                "--\rset x=1",
                "--a\n--b\n/**//*c*/\tSeT x=1",
                "select 1; set x = 1",
                "update t set a = 1;begin",
                "(select set_config('a', 'b', false))",
                "select SET_CONFIG('a', 'b', false)",
                "select U&\"set\\005fconfig\"('a', 'b', false)",
                "select pg_Advisory_lock(1)",
                "select a_b, pg_try_ADVISORY_xact_lock_shared(1)",
                "select 1 as a into TEMPORARY t",
                "insert into pg_temp.t values (1)",
                "update Pg_Settings set setting = 1",
                "begin",
                "BEGIN;",
                ";begin",
                "END",
                "prepare x as select 1",
                "explain execute x",
                "create table a as execute x",
                "do $$ begin end $$",
                "call p()",
                "load 'x'",
                "\u{e4}",
                "1",
                "'",
            ],
        );
    }
}
