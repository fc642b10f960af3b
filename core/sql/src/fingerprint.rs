use crate::{Dialect, Lexer, Token, TokenKind};

/// A number for the shape of a text: the same for texts that differ only in literals, parameters, white space,
/// comments, the case of keywords and unquoted names, and the length of `IN` lists. The same in every process and
/// version that has the same lexer; no defence against texts made to collide. One pass, no allocation.
pub fn fingerprint(sql: &[u8]) -> u64 {
    // FNV-1a, a token at a time, and a last mix so that all bits depend on all tokens.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut byte = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    walk(sql, |piece| {
        match piece {
            Piece::Literal => byte(b'?'),
            Piece::Word(word) => word.iter().for_each(|one| byte(one.to_ascii_lowercase())),
            Piece::Quoted(text) | Piece::Sign(text) => text.iter().copied().for_each(&mut byte),
        }
        byte(0);
    });
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

/// Appends the readable form of what [`fingerprint`] numbers: literals and parameters as `?`, one space between tokens
/// where one is needed. Bytes that are not UTF-8 are replaced.
pub fn normalise(sql: &[u8], out: &mut String) {
    let mut glued = true;
    let mut before_paren = false;
    walk(sql, |piece| {
        let text = match piece {
            Piece::Literal => b"?",
            Piece::Word(text) | Piece::Quoted(text) | Piece::Sign(text) => text,
        };
        let call = text == b"(" && before_paren;
        let clings = matches!(text, b")" | b"," | b"." | b"]" | b"[" | b"::" | b";");
        if !(glued || call || clings) {
            out.push(' ');
        }
        match piece {
            Piece::Word(word) => out.push_str(&String::from_utf8_lossy(word).to_ascii_lowercase()),
            _ => out.push_str(&String::from_utf8_lossy(text)),
        }
        glued = matches!(text, b"(" | b"." | b"[" | b"::");
        before_paren = matches!(piece, Piece::Quoted(_)) || matches!(piece, Piece::Word(word) if !takes_a_space(word));
    });
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Literal,
    Word(&'a [u8]),
    Quoted(&'a [u8]),
    Sign(&'a [u8]),
}

/// Keywords behind which a parenthesis opens something else than arguments, and a sign belongs to the number behind it.
fn takes_a_space(word: &[u8]) -> bool {
    let mut lower = [0; 6];
    let Some(lower) = lower.get_mut(..word.len()) else {
        return false;
    };
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    matches!(
        &*lower,
        b"and"
            | b"as"
            | b"by"
            | b"case"
            | b"else"
            | b"exists"
            | b"from"
            | b"in"
            | b"join"
            | b"limit"
            | b"not"
            | b"offset"
            | b"on"
            | b"or"
            | b"return"
            | b"select"
            | b"set"
            | b"then"
            | b"union"
            | b"using"
            | b"values"
            | b"when"
            | b"where"
    )
}

/// Where an `IN` list is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Outside,
    /// Behind `IN`.
    In,
    /// Behind its parenthesis.
    Open,
    /// Behind a literal of it.
    Literal,
    /// Behind a comma that follows a literal of it; the comma was not shown yet.
    Comma,
}

/// Shows each token in its normal form.
fn walk<'a>(sql: &'a [u8], mut show: impl FnMut(Piece<'a>)) {
    let mut list = List::Outside;
    // A sign that may belong to a number, and a semicolon that may be the last: shown once the next token is known.
    let mut held: Option<Token> = None;
    let mut operand_before = false;
    for token in Lexer::new(sql, Dialect::Postgres) {
        let text = token.text(sql);
        let literal = matches!(token.kind, TokenKind::String | TokenKind::Number | TokenKind::Param);
        if let Some(before) = held.take() {
            let signs = before.kind == TokenKind::Operator && token.kind == TokenKind::Number;
            if !signs {
                list = leave(list, &mut show);
                show(Piece::Sign(before.text(sql)));
            }
        }
        let sign = token.kind == TokenKind::Operator && matches!(text, b"-" | b"+") && !operand_before;
        operand_before = literal
            || matches!(token.kind, TokenKind::Quoted)
            || matches!(text, b")" | b"]")
            || (token.kind == TokenKind::Word && !takes_a_space(text));
        if sign || text == b";" {
            held = Some(token);
            continue;
        }
        list = match (list, text) {
            (List::In, b"(") => List::Open,
            (List::Literal, b",") => {
                list = List::Comma;
                continue;
            }
            (List::Comma, _) if literal => {
                list = List::Literal;
                continue;
            }
            (List::Open, _) if literal => List::Literal,
            _ => {
                leave(list, &mut show);
                if token.kind == TokenKind::Word && text.eq_ignore_ascii_case(b"in") {
                    List::In
                } else {
                    List::Outside
                }
            }
        };
        show(match token.kind {
            _ if literal => Piece::Literal,
            TokenKind::Word => Piece::Word(text),
            TokenKind::Quoted => Piece::Quoted(text),
            _ => Piece::Sign(text),
        });
    }
}

/// Leaves a list that is not all literals: the comma that was held back is shown.
fn leave<'a>(list: List, show: &mut impl FnMut(Piece<'a>)) -> List {
    if list == List::Comma {
        show(Piece::Sign(b","));
    }
    List::Outside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(sql: &str) -> String {
        let mut out = String::new();
        normalise(sql.as_bytes(), &mut out);
        out
    }

    fn check(expected: &str, same: &[&str]) {
        let number = fingerprint(same[0].as_bytes());
        for sql in same {
            assert_eq!(normal(sql), expected, "{sql}");
            assert_eq!(fingerprint(sql.as_bytes()), number, "{sql}");
        }
    }

    #[test]
    fn same_shape_same_number() {
        check(
            "select a, count(*) from t where x = ? and y in (?)",
            &[
                "select a, count(*) from t where x = 1 and y in (1,2,3)",
                "SELECT a , COUNT ( * )\n FROM T WHERE x='it''s' AND y IN ($1);",
                "/* c */ select a,count(*) from t where x=-1.5 and y in (-1, +2) -- end",
                "select a, count(*) from t where x = E'\\'' and y in ('a', $$b$$)",
            ],
        );
        check("select a - ? from t", &["select a-1 from t", "select a - 2 from t"]);
        check("select f(?) - ?", &["select f(-1)-1", "select f(1) - +1"]);
        check(
            "select x in (?, b, ?)",
            &["select x in (1, 2, b, 3)", "select x in (1, b, 2)"],
        );
        check("select x in (?, - b)", &["select x in (1, -b)"]);
        check("insert into t values (?, ?)", &["insert into t values (1, 'x')"]);
        check("select \"A\".b::int", &["SELECT \"A\" . B :: INT"]);
        check("select ?; select ?", &["select 1;select 2;", "select 1 ; select 2"]);
    }

    #[test]
    fn other_shape_other_number() {
        let shapes = [
            "select a from t",
            "select \"A\" from t",
            "select b from t",
            "select a, b from t",
            "select a from t where x = 1",
            "select a from t where x = 1 and y = 1",
            "select ab from t",
            "select 1; select 2",
            "select 1, 2",
            "",
        ];
        for (at, one) in shapes.iter().enumerate() {
            for other in shapes.iter().skip(at + 1) {
                assert_ne!(
                    fingerprint(one.as_bytes()),
                    fingerprint(other.as_bytes()),
                    "{one} {other}"
                );
            }
        }
    }

    #[test]
    fn literals_do_not_count() {
        bolero::check!()
            .with_type::<(u32, i64, Vec<u8>)>()
            .for_each(|(a, b, list)| {
                let list: Vec<String> = list.iter().map(u8::to_string).collect();
                let list = if list.is_empty() {
                    "0".to_owned()
                } else {
                    list.join(" , ")
                };
                let sql = format!("select * from t where a={a} and b = {b} and c in({list})");
                let expected = fingerprint(b"select * from t where a = 1 and b = 2 and c in (3)");
                assert_eq!(fingerprint(sql.as_bytes()), expected, "{sql}");
            });
    }
}
