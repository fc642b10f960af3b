use std::collections::HashSet;

use crate::name::name_of;
use crate::{Dialect, Lexer, Name, Token, TokenKind};

/// A table as a text names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<'a> {
    /// The last qualifier in front of it.
    pub schema: Option<Name<'a>>,
    /// Its name.
    pub name: Name<'a>,
}

/// No more tables than this are found in a text.
pub const MAX_TABLES: usize = 8;

/// The tables that a text names behind FROM, JOIN, INTO, UPDATE, TABLE, USING and COPY, each once, in order.
///
/// Best effort, for counting and for guessing a route: views, functions and search paths are not resolved, a comma
/// list is followed only while it is simple, and DDL beyond tables is not read. Do not decide by this who may do what.
pub fn tables(sql: &[u8]) -> Vec<Table<'_>> {
    let tokens: Vec<Token> = Lexer::new(sql, Dialect::Postgres).collect();
    let mut search = Search {
        sql,
        tokens: &tokens,
        found: Vec::new(),
        // Parentheses of calls such as `extract(year FROM x)`, in which FROM names no table.
        calls: Vec::new(),
        common: HashSet::new(),
    };
    search.common = search.common_names();
    search.run();
    search.found
}

struct Search<'a, 't> {
    sql: &'a [u8],
    tokens: &'t [Token],
    found: Vec<Table<'a>>,
    calls: Vec<bool>,
    /// What WITH defines in the same text.
    common: HashSet<Name<'a>>,
}

impl<'a> Search<'a, '_> {
    /// The names in front of `AS [[NOT] MATERIALIZED] (`.
    fn common_names(&self) -> HashSet<Name<'a>> {
        let before_paren = |at: usize| {
            let noise = (at..at + 2).take_while(|at| self.any(*at, &["not", "materialized"]));
            self.text(at + noise.count()) == b"("
        };
        (1..self.tokens.len())
            .filter(|at| self.any(*at, &["as"]) && before_paren(at + 1))
            .filter_map(|at| self.name(at - 1))
            .collect()
    }

    fn run(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() && self.found.len() < MAX_TABLES {
            match self.text(at) {
                b"(" => {
                    let call = at > 0 && self.any(at - 1, &["extract", "substring", "trim", "overlay"]);
                    self.calls.push(call);
                }
                b")" => {
                    self.calls.pop();
                }
                _ if self.introduces(at) => {
                    at = self.list(at + 1);
                    continue;
                }
                _ => (),
            }
            at += 1;
        }
    }

    /// Whether a table is named behind this token.
    fn introduces(&self, at: usize) -> bool {
        let behind = |words: &[&str]| at > 0 && self.any(at - 1, words);
        if self.any(at, &["from"]) {
            !behind(&["distinct"]) && self.calls.last() != Some(&true)
        } else if self.any(at, &["update"]) {
            !behind(&["for", "key", "do", "on", "or", "before", "after", "then"])
        } else if self.any(at, &["copy", "truncate", "lock"]) {
            at == 0 || self.text(at - 1) == b";"
        } else {
            self.any(at, &["join", "into", "table", "using"])
        }
    }

    /// Reads `[ONLY] table [[AS] alias] {, …}` and returns where it ended.
    fn list(&mut self, mut at: usize) -> usize {
        loop {
            while self.any(at, &["only", "table", "if", "not", "exists", "lateral"]) {
                at += 1;
            }
            let Some(end) = self.table(at) else {
                return at;
            };
            at = end + usize::from(self.any(end, &["as"]));
            if self.kind(at) == Some(TokenKind::Word) && self.text(at + 1) == b"," {
                at += 1;
            }
            if self.text(at) != b"," || self.found.len() >= MAX_TABLES {
                return at;
            }
            at += 1;
        }
    }

    /// Reads one name; `None` when a subquery, a function or something else stands here.
    fn table(&mut self, mut at: usize) -> Option<usize> {
        let mut name = self.name(at)?;
        let mut schema = None;
        let into = at > 0 && self.any(at - 1, &["into", "copy", "exists", "table"]);
        at += 1;
        while self.text(at) == b"." {
            schema = Some(name);
            name = self.name(at + 1)?;
            at += 2;
        }
        if self.text(at) == b"(" && !into {
            return None;
        }
        let table = Table { schema, name };
        let common = table.schema.is_none() && self.common.contains(&table.name);
        if !common && !self.found.contains(&table) {
            self.found.push(table);
        }
        Some(at)
    }

    fn name(&self, at: usize) -> Option<Name<'a>> {
        const KEYWORDS: [&str; 6] = ["select", "values", "set", "where", "(", "stdin"];
        if self.any(at, &KEYWORDS) {
            return None;
        }
        name_of(self.sql, *self.tokens.get(at)?)
    }

    fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn text(&self, at: usize) -> &'a [u8] {
        self.tokens
            .get(at)
            .map(|token| token.text(self.sql))
            .unwrap_or_default()
    }

    fn any(&self, at: usize, words: &[&str]) -> bool {
        let text = self.text(at);
        words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let found: Vec<String> = tables(sql.as_bytes())
            .into_iter()
            .map(|table| {
                let name = String::from_utf8_lossy(&table.name).into_owned();
                match table.schema {
                    Some(schema) => format!("{}.{name}", String::from_utf8_lossy(&schema)),
                    None => name,
                }
            })
            .collect();
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn finds_tables() {
        check("select * from A, s.\"B\" b, only c where x", &["a", "s.B", "c"]);
        check(
            "select 1 from a join b on a.x = b.x left join lateral f(1) on true",
            &["a", "b"],
        );
        check("insert into t (a, b) select 1, 2 from u", &["t", "u"]);
        check("update only t set a = 1 from u where t.x = u.x", &["t", "u"]);
        check("delete from t using u where true", &["t", "u"]);
        check(
            "with x as (select * from t), y as not materialized (select 1) select * from x, y",
            &["t"],
        );
        check("select extract(year from ts), a is distinct from b from t", &["t"]);
        check("select 1 from t for update", &["t"]);
        check("insert into t values (1) on conflict do update set a = 1", &["t"]);
        check("copy s.t (a) from stdin", &["s.t"]);
        check("create table if not exists t (a int)", &["t"]);
        check("select * from generate_series(1, 2) g", &[]);
        check("select * from a, a, a", &["a"]);
        check("truncate table a, b", &["a", "b"]);
        check("select 1", &[]);
        let many: Vec<String> = (0..20).map(|at| format!("t{at}")).collect();
        assert_eq!(
            tables(format!("select * from {}", many.join(",")).as_bytes()).len(),
            MAX_TABLES
        );
    }

    #[test]
    fn never_panics() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|sql| {
            assert!(tables(sql).len() <= MAX_TABLES);
        });
    }
}
