//! Anything may be sent as SQL: nothing here panics, and nothing takes more than linear time.
//! Each target runs as a property test on stable Rust, and under `cargo bolero test -p tidegate-sql NAME`.

use tidegate_sql::{
    Dialect, Lexer, class, fingerprint, may_change_session, normalise, statements, statements_in, tables,
};

/// Pieces that mean something; noise alone rarely gets past the first token.
const PIECES: [&str; 64] = [
    " ",
    "\n",
    ";",
    "(",
    ")",
    ",",
    ".",
    "*",
    "=",
    "-",
    "+",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    "E'",
    "U&\"",
    "$$",
    "$a$",
    "\\",
    "$1",
    "1",
    "a",
    "set ",
    "reset ",
    "local ",
    "session ",
    "all ",
    "to ",
    "begin ",
    "end ",
    "commit ",
    "prepare ",
    "execute ",
    "explain ",
    "analyze ",
    "deallocate ",
    "listen ",
    "discard ",
    "declare ",
    "with hold ",
    "close ",
    "create ",
    "temp ",
    "into ",
    "pg_temp.",
    "select ",
    "from ",
    "update ",
    "insert ",
    "with ",
    "as ",
    "in ",
    "do ",
    "set_config(",
    "pg_advisory_lock(",
    "function ",
    "atomic ",
    "case ",
    "time zone ",
    "role ",
    "transaction ",
    "characteristics ",
];

fn text(pieces: &[u8]) -> String {
    pieces
        .iter()
        .map(|piece| PIECES[usize::from(*piece) % PIECES.len()])
        .collect()
}

/// Everything that reads SQL, and what must hold between the parts.
fn read(sql: &[u8]) {
    for dialect in [Dialect::Postgres, Dialect::PostgresEscapes] {
        let mut end = 0;
        for token in Lexer::new(sql, dialect) {
            assert!(token.start >= end && token.end > token.start && token.end <= sql.len());
            end = token.end;
        }
    }
    let looked = may_change_session(sql);
    for statement in statements(sql) {
        assert!(
            looked || statement.effects.is_empty(),
            "the first look missed {:?} in {:?}",
            statement.effects,
            String::from_utf8_lossy(sql)
        );
    }
    statements_in(sql, Dialect::PostgresEscapes).for_each(drop);
    class(sql);
    tables(sql);
    let mut normal = String::new();
    normalise(sql, &mut normal);
    assert_eq!(fingerprint(sql), fingerprint(sql));
}

#[test]
fn noise() {
    bolero::check!().for_each(read);
}

#[test]
fn grammar() {
    bolero::check!()
        .with_type::<Vec<u8>>()
        .for_each(|pieces| read(text(pieces).as_bytes()));
}

/// A quadratic reader would need many minutes for these.
#[test]
fn hostile_texts_take_linear_time() {
    for piece in [
        "+-",
        "a,",
        "$a ",
        "$a$b",
        "''\n",
        "'' ",
        "/*",
        "*/",
        "/",
        "--\n",
        "\"",
        "(",
        ")",
        "in(1,",
        "explain analyze ",
        "explain(analyze)",
        "from a,",
        "as (",
        "create ",
        "set a=",
        "do ",
        ";",
        "case ",
        "temp ",
        "E'\\",
        "1e",
        "0x",
        "into temp ",
        "pg_advisory_lock(",
        "listen a;",
        "a.",
        "U&\"\\",
        "update pg_settings ",
    ] {
        let count = 20_000 / piece.len();
        read(piece.repeat(count).as_bytes());
        read(format!("select 1 from {}", piece.repeat(count)).as_bytes());
    }
}
