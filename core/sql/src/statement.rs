use crate::effect::effects;
use crate::{Class, Dialect, Effect, Lexer, Token, TokenKind};

/// What a statement does, by its first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after its command")]
pub enum Verb {
    Select,
    Insert,
    Update,
    Delete,
    Merge,
    Values,
    Table,
    With,
    Begin,
    Commit,
    Rollback,
    Savepoint,
    Release,
    RollbackTo,
    PrepareTransaction,
    CommitPrepared,
    RollbackPrepared,
    Set,
    Reset,
    Show,
    Discard,
    Prepare,
    Execute,
    Deallocate,
    Listen,
    Unlisten,
    Notify,
    Declare,
    Fetch,
    Close,
    Copy,
    Call,
    Do,
    Create,
    Alter,
    Drop,
    Truncate,
    Lock,
    Vacuum,
    Explain,
    Load,
    Other,
}

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// From its first token to its last, comments inside included.
    pub text: &'a [u8],
    /// Where it begins in the whole text.
    pub offset: usize,
    /// What it does.
    pub verb: Verb,
    /// What it does to the session.
    pub effects: Vec<Effect<'a>>,
    /// Whether it reads, writes, or something else.
    pub class: Class,
}

/// The statements of a text, empty ones left out.
pub fn statements(sql: &[u8]) -> Statements<'_> {
    statements_in(sql, Dialect::Postgres)
}

/// The statements of a text in a dialect.
pub fn statements_in(sql: &[u8], dialect: Dialect) -> Statements<'_> {
    Statements {
        sql,
        dialect,
        lexer: Lexer::new(sql, dialect),
    }
}

/// Iterator over statements: see [`statements`].
#[derive(Debug, Clone)]
pub struct Statements<'a> {
    sql: &'a [u8],
    dialect: Dialect,
    lexer: Lexer<'a>,
}

impl<'a> Iterator for Statements<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        let tokens = self.tokens();
        let (first, last) = (tokens.first()?, tokens.last()?);
        let verb = verb_of(self.sql, &tokens);
        let effects = effects(self.sql, &tokens, verb, self.dialect);
        Some(Statement {
            text: self.sql.get(first.start..last.end).unwrap_or_default(),
            offset: first.start,
            verb,
            class: crate::class::class_of(self.sql, &tokens, verb, &effects),
            effects,
        })
    }
}

impl Statements<'_> {
    /// The tokens up to the next semicolon at the top level. One inside parentheses (CREATE RULE) or inside the body
    /// of a function in standard SQL (BEGIN ATOMIC … END) parts nothing; psql splits by the same rules.
    fn tokens(&mut self) -> Vec<Token> {
        let (mut tokens, mut depth, mut blocks) = (Vec::new(), 0_usize, 0_usize);
        for token in self.lexer.by_ref() {
            let text = token.text(self.sql);
            match (token.kind, text) {
                (TokenKind::Punctuation, b"(") => depth += 1,
                (TokenKind::Punctuation, b")") => depth = depth.saturating_sub(1),
                (TokenKind::Punctuation, b";") if depth == 0 && blocks == 0 => {
                    if tokens.is_empty() {
                        continue;
                    }
                    return tokens;
                }
                (TokenKind::Word, _) if is_routine(self.sql, &tokens) => {
                    blocks = blocks_after(blocks, text);
                }
                _ => (),
            }
            tokens.push(token);
        }
        tokens
    }
}

/// Whether the statement begins with CREATE [OR REPLACE] FUNCTION or PROCEDURE.
fn is_routine(sql: &[u8], tokens: &[Token]) -> bool {
    let word = |at: usize| tokens.get(at).map(|token| token.text(sql)).unwrap_or_default();
    let is = |at: usize, name: &str| word(at).eq_ignore_ascii_case(name.as_bytes());
    let at = if is(1, "or") && is(2, "replace") { 3 } else { 1 };
    is(0, "create") && (is(at, "function") || is(at, "procedure"))
}

fn blocks_after(blocks: usize, word: &[u8]) -> usize {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("begin") || (blocks > 0 && is("case")) {
        blocks + 1
    } else if is("end") {
        blocks.saturating_sub(1)
    } else {
        blocks
    }
}

pub(crate) fn verb_of(sql: &[u8], tokens: &[Token]) -> Verb {
    let mut words = tokens
        .iter()
        .skip_while(|token| token.text(sql) == b"(")
        .map_while(|token| (token.kind == TokenKind::Word).then(|| token.text(sql)));
    let first = words.next().unwrap_or_default();
    let second = words.next().unwrap_or_default();
    let third = words.next().unwrap_or_default();
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let noise = is(second, "work") || is(second, "transaction");
    let then = if noise { third } else { second };
    match simple_verb(first) {
        Verb::Commit if is(first, "commit") && is(second, "prepared") => Verb::CommitPrepared,
        Verb::Rollback if is(first, "rollback") && is(second, "prepared") => Verb::RollbackPrepared,
        Verb::Rollback if is(first, "rollback") && is(then, "to") => Verb::RollbackTo,
        // `PREPARE transaction AS …` prepares a statement of that name.
        Verb::Prepare if is(second, "transaction") && third.is_empty() && !has_paren(sql, tokens) => {
            Verb::PrepareTransaction
        }
        verb => verb,
    }
}

/// Whether the third token opens a list of types.
fn has_paren(sql: &[u8], tokens: &[Token]) -> bool {
    tokens.get(2).is_some_and(|token| token.text(sql) == b"(")
}

fn simple_verb(word: &[u8]) -> Verb {
    const VERBS: [(&str, Verb); 43] = [
        ("select", Verb::Select),
        ("insert", Verb::Insert),
        ("update", Verb::Update),
        ("delete", Verb::Delete),
        ("merge", Verb::Merge),
        ("values", Verb::Values),
        ("table", Verb::Table),
        ("with", Verb::With),
        ("begin", Verb::Begin),
        ("start", Verb::Begin),
        ("commit", Verb::Commit),
        ("end", Verb::Commit),
        ("rollback", Verb::Rollback),
        ("abort", Verb::Rollback),
        ("savepoint", Verb::Savepoint),
        ("release", Verb::Release),
        ("set", Verb::Set),
        ("reset", Verb::Reset),
        ("show", Verb::Show),
        ("discard", Verb::Discard),
        ("prepare", Verb::Prepare),
        ("execute", Verb::Execute),
        ("deallocate", Verb::Deallocate),
        ("listen", Verb::Listen),
        ("unlisten", Verb::Unlisten),
        ("notify", Verb::Notify),
        ("declare", Verb::Declare),
        ("fetch", Verb::Fetch),
        ("move", Verb::Fetch),
        ("close", Verb::Close),
        ("copy", Verb::Copy),
        ("call", Verb::Call),
        ("do", Verb::Do),
        ("create", Verb::Create),
        ("alter", Verb::Alter),
        ("drop", Verb::Drop),
        ("truncate", Verb::Truncate),
        ("lock", Verb::Lock),
        ("vacuum", Verb::Vacuum),
        ("analyze", Verb::Vacuum),
        ("explain", Verb::Explain),
        ("load", Verb::Load),
        ("import", Verb::Create),
    ];
    VERBS
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
        .map_or(Verb::Other, |(_, verb)| *verb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Discard, Which};
    use std::borrow::Cow;

    fn only(sql: &str) -> Statement<'_> {
        let mut all = statements(sql.as_bytes());
        let first = all.next().expect(sql);
        assert_eq!(all.next(), None, "{sql}");
        first
    }

    /// The effects of a text, written shortly.
    fn check(sql: &str, expected: &[&str]) {
        let found: Vec<String> = statements(sql.as_bytes())
            .flat_map(|statement| statement.effects)
            .map(|effect| short(&effect))
            .collect();
        assert_eq!(found, expected, "{sql}");
        assert!(
            expected.is_empty() || crate::may_change_session(sql.as_bytes()),
            "{sql}"
        );
    }

    fn text(bytes: &[u8]) -> Cow<'_, str> {
        String::from_utf8_lossy(bytes)
    }

    fn which(which: &Which<'_>) -> String {
        match which {
            Which::All => "*".to_owned(),
            Which::Named(name) => text(name).into_owned(),
        }
    }

    fn short(effect: &Effect<'_>) -> String {
        match effect {
            Effect::Set { name, value, local } => {
                let value = value.map_or("DEFAULT".into(), text);
                let scope = if *local { "local " } else { "" };
                format!("{scope}{}={value}", text(name))
            }
            Effect::SetCharacteristics { modes } => format!("characteristics {}", text(modes)),
            Effect::SetConfig { name, local } => {
                let scope = if *local { "local " } else { "" };
                format!("{scope}set_config {}", name.map_or(Cow::Borrowed("?"), text))
            }
            Effect::Reset(what) => format!("reset {}", which(what)),
            Effect::Prepare { name, .. } => format!("prepare {}", text(name)),
            Effect::Execute { name, .. } => format!("execute {}", text(name)),
            Effect::Deallocate { which: what, .. } => format!("deallocate {}", which(what)),
            Effect::Listen { channel } => format!("listen {}", text(channel)),
            Effect::Unlisten(what) => format!("unlisten {}", which(what)),
            Effect::DeclareHold { name } => format!("hold {}", text(name)),
            Effect::CloseCursor(what) => format!("close {}", which(what)),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn splits_at_semicolons_of_the_top_level() {
        let split = |sql: &'static str| -> Vec<Cow<'static, str>> {
            statements(sql.as_bytes()).map(|one| text(one.text)).collect()
        };
        assert_eq!(split(" ;; select 1 ; /* ; */ select ';' ;"), ["select 1", "select ';'"]);
        assert!(split("  -- nothing\n ; ").is_empty());
        assert_eq!(
            split("create rule r as on insert to t do (select 1; select 2); x").len(),
            2
        );
        let routine = "create or replace function f() returns int begin atomic \
                       select case when true then 1 end; select 2; end";
        assert_eq!(split(routine), [routine]);
        assert_eq!(split("begin; select 1; end").len(), 3);
        assert_eq!(split("do $$ begin; end $$; select 1").len(), 2);
    }

    #[test]
    fn verbs() {
        let verbs = [
            ("select 1", Verb::Select),
            ("((select 1))", Verb::Select),
            ("START TRANSACTION", Verb::Begin),
            ("end", Verb::Commit),
            ("commit prepared 'x'", Verb::CommitPrepared),
            ("rollback prepared 'x'", Verb::RollbackPrepared),
            ("rollback to a", Verb::RollbackTo),
            ("rollback work to savepoint a", Verb::RollbackTo),
            ("rollback transaction", Verb::Rollback),
            ("abort", Verb::Rollback),
            ("prepare transaction 'x'", Verb::PrepareTransaction),
            ("prepare transaction as select 1", Verb::Prepare),
            ("prepare transaction(int) as select 1", Verb::Prepare),
            ("move next from c", Verb::Fetch),
            ("selects", Verb::Other),
        ];
        for (sql, verb) in verbs {
            assert_eq!(only(sql).verb, verb, "{sql}");
        }
    }

    #[test]
    fn settings() {
        check("set Search_Path to a, b", &["search_path=a, b"]);
        check("set session x = 'y'", &["x='y'"]);
        check("SET LOCAL \"Work_Mem\" = '4MB';", &["local work_mem='4MB'"]);
        check("set my.\"Var\" to default", &["my.var=DEFAULT"]);
        check("set time zone 'UTC'", &["timezone='UTC'"]);
        check("set local time zone local", &["local timezone=DEFAULT"]);
        check("set time zone interval '1' hour", &["timezone=interval '1' hour"]);
        check("set names 'latin1'", &["client_encoding='latin1'"]);
        check("set names", &["client_encoding=DEFAULT"]);
        check("set schema 'x'", &["search_path='x'"]);
        check("set role none", &["role=none"]);
        check("set local role to bob", &["local role=bob"]);
        check("set session authorization bob", &["session_authorization=bob"]);
        check(
            "set session session authorization default",
            &["session_authorization=DEFAULT"],
        );
        check("set local session authorization x", &["local session_authorization=x"]);
        check("set xml option document", &["xmloption=document"]);
        check("set transaction isolation level serializable", &[]);
        check("set local transaction read only", &[]);
        check("set constraints all deferred", &[]);
        let modes = "set session characteristics as transaction read only, deferrable";
        check(modes, &["characteristics read only, deferrable"]);
        check("reset all", &["reset *"]);
        check("reset Work_Mem", &["reset work_mem"]);
        check("reset time zone", &["reset timezone"]);
        check("reset session authorization", &["reset session_authorization"]);
        check("select 1; set a=1 ; set b='; set c=2'", &["a=1", "b='; set c=2'"]);
        check("select pg_catalog.set_config('a', 'b', false)", &["set_config a"]);
        check(
            "select set_config('a.b', f(1, (true)), True), 1",
            &["local set_config a.b"],
        );
        check("select set_config('a', 'b', is_local => true)", &["set_config a"]);
        check("select set_config($1, $2, true)", &["local set_config ?"]);
        check("select set_config('a' || 'b', 'true', false)", &["set_config ?"]);
        check("select set_config(E'a\\x62', 'b', false)", &["set_config ?"]);
        check("select set_config('a'", &["set_config ?"]);
        check("update pg_catalog.pg_settings set setting = 1", &["set_config ?"]);
        check("select 'set_config(' from t", &[]);
        check("select set_config from t", &[]);
    }

    #[test]
    fn prepared_statements() {
        let sql = "/* x */ PREPARE \"My S\" (int) AS SELECT $1 ;";
        check(sql, &["prepare My S"]);
        let one = only(sql);
        let [Effect::Prepare { name_span, after, .. }] = one.effects.as_slice() else {
            panic!("{one:?}");
        };
        assert_eq!(&sql[name_span.clone()], "\"My S\"");
        assert_eq!(&sql[after.clone()], " (int) AS SELECT $1");
        check("execute S(1, 2)", &["execute s"]);
        check("explain (analyze, verbose) execute s(1)", &["execute s"]);
        check("explain analyze execute s", &["execute s"]);
        check("create temp table t as execute s(1)", &["execute s", "CreateTemp"]);
        check("create trigger t after insert on x execute function f()", &[]);
        check("deallocate prepare all", &["deallocate *"]);
        check("deallocate \"all\"", &["deallocate all"]);
        check("deallocate s", &["deallocate s"]);
        check("deallocate prepare", &["deallocate prepare"]);
        check("prepare transaction 'x'", &[]);
    }

    #[test]
    fn other_state() {
        check("listen \"A b\"", &["listen A b"]);
        check("unlisten *", &["unlisten *"]);
        check("unlisten Foo", &["unlisten foo"]);
        check("declare c binary cursor with hold for select 1", &["hold c"]);
        check("declare c cursor without hold for select 'with hold'", &[]);
        check("declare c cursor for select 1", &[]);
        check("close all", &["close *"]);
        check("close \"all\"", &["close all"]);
        check("load 'auto_explain'", &["Load"]);
        let discards = [Discard::All, Discard::Plans, Discard::Sequences, Discard::Temp];
        for (word, what) in ["all", "plans", "sequences", "temporary"].into_iter().zip(discards) {
            let sql = format!("DISCARD {word}");
            assert_eq!(only(&sql).effects, [Effect::Discard(what)]);
        }
    }

    #[test]
    fn temporary_things() {
        for sql in [
            "create temp table t (a int)",
            "create local temporary table t (a int)",
            "create or replace temp view v as select 1",
            "create temporary sequence s",
            "create unlogged table pg_temp.t (a int)",
            "create table if not exists \"pg_temp\".t (a int)",
            "create function pg_temp.f() returns int language sql return 1",
            "select 1 as a into temp t",
            "select 1 as a into local temporary table t",
            "with x as (select 1) select * into pg_temp.t from x",
            "explain analyze create temp table t as select 1",
            "do $x$ begin create temp table t (a int); end $x$",
        ] {
            check(sql, &["CreateTemp"]);
        }
        check("insert into pg_temp.t values (1)", &[]);
        check("insert into temp.t values (1)", &[]);
        check("select temp from t", &[]);
        check("create table t (temp int)", &[]);
    }

    #[test]
    fn advisory_locks() {
        check("select pg_advisory_lock(1)", &["AdvisoryLock { session: true }"]);
        check(
            "select 1 where pg_catalog.\"pg_try_advisory_lock_shared\" (1, 2)",
            &["AdvisoryLock { session: true }"],
        );
        check(
            "select pg_try_advisory_xact_lock(1)",
            &["AdvisoryLock { session: false }"],
        );
        check("select PG_ADVISORY_UNLOCK(1)", &["AdvisoryUnlock { all: false }"]);
        check("select pg_advisory_unlock_all()", &["AdvisoryUnlock { all: true }"]);
        check(
            "do 'begin perform pg_advisory_lock(1); end'",
            &["AdvisoryLock { session: true }"],
        );
        check("select 'pg_advisory_lock(1)'", &[]);
    }

    #[test]
    fn plain_begins() {
        for (sql, plain) in [
            ("begin", true),
            ("BEGIN WORK", true),
            ("begin transaction;", true),
            ("start transaction", true),
            ("begin isolation level serializable, read only not deferrable", true),
            ("start transaction isolation level repeatable read read write", true),
            ("start", false),
            ("start work", false),
            ("begin foo", false),
            ("begin read", false),
            ("begin read only,", false),
            ("begin isolation level snapshot", false),
            ("begin , read only", false),
        ] {
            assert_eq!(only(sql).effects, [Effect::Begin { plain }], "{sql}");
        }
    }

    #[test]
    fn spans_cover_the_text() {
        bolero::check!().with_type::<Vec<u8>>().for_each(|sql| {
            let mut end = 0;
            for one in statements(sql) {
                assert!(one.offset >= end);
                end = one.offset + one.text.len();
                assert_eq!(one.text, &sql[one.offset..end]);
            }
            // What is left out are blanks, comments and semicolons.
            let left = sql.get(end..).unwrap_or_default();
            assert!(Lexer::new(left, Dialect::Postgres).all(|token| token.text(left) == b";"));
        });
    }
}
