use crate::name::{Name, name_of};
use crate::{Token, TokenKind};

/// Reads the tokens of one statement from left to right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a, 't> {
    sql: &'a [u8],
    tokens: &'t [Token],
}

impl<'a, 't> Reader<'a, 't> {
    pub(crate) fn new(sql: &'a [u8], tokens: &'t [Token]) -> Self {
        Self { sql, tokens }
    }

    pub(crate) fn peek(&self) -> Option<Token> {
        self.tokens.first().copied()
    }

    pub(crate) fn take(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether the next token is this keyword (given in lower case).
    pub(crate) fn at(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| self.is(token, word))
    }

    /// Whether a token is this keyword (given in lower case).
    pub(crate) fn is(&self, token: Token, word: &str) -> bool {
        token.kind == TokenKind::Word && token.text(self.sql).eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether the next token is exactly this text, such as `(` or `=`.
    pub(crate) fn at_sign(&self, sign: &str) -> bool {
        self.peek().is_some_and(|token| token.text(self.sql) == sign.as_bytes())
    }

    /// Takes the keyword if it is next.
    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let there = self.at(word);
        if there {
            self.take();
        }
        there
    }

    /// Takes the sign if it is next.
    pub(crate) fn eat_sign(&mut self, sign: &str) -> bool {
        let there = self.at_sign(sign);
        if there {
            self.take();
        }
        there
    }

    /// Takes all these keywords in order, or none of them.
    pub(crate) fn eat_all(&mut self, words: &[&str]) -> bool {
        let mut ahead = *self;
        let there = words.iter().all(|word| ahead.eat(word));
        if there {
            *self = ahead;
        }
        there
    }

    /// Takes an identifier and says where it stands.
    pub(crate) fn name(&mut self) -> Option<(Name<'a>, Token)> {
        let token = self.peek()?;
        let name = name_of(self.sql, token)?;
        self.take();
        Some((name, token))
    }

    /// Takes an identifier with dots, such as a setting's name.
    pub(crate) fn dotted(&mut self) -> Option<Name<'a>> {
        let (mut name, _) = self.name()?;
        while self.at_sign(".") {
            self.take();
            let (part, _) = self.name()?;
            let whole = name.to_mut();
            whole.push(b'.');
            whole.extend_from_slice(&part);
        }
        Some(name)
    }

    /// The text from the next token to the last.
    pub(crate) fn rest(&self) -> &'a [u8] {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => self.sql.get(first.start..last.end).unwrap_or_default(),
            _ => &[],
        }
    }
}
