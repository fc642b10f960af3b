use std::fmt;

use futures_util::future::BoxFuture;
use tidegate_base::Refusal;

/// A database that stands on no server: whoever asks it is answered by this process itself.
pub trait VirtualDatabase: Send + Sync {
    /// What it says of itself to who comes in: names and values, as a server's settings.
    fn reports(&self) -> Vec<(&'static str, String)>;

    /// What a statement's rows look like; none for one without rows. Nothing is run.
    fn columns(&self, statement: &str) -> Result<Vec<Column>, Refusal>;

    /// Runs a statement. Dropped when its client goes away or the process does not wait any longer: what must be done
    /// whole is not done in this future.
    fn answer<'a>(&'a self, statement: &'a str, asker: &'a Asker) -> BoxFuture<'a, Result<Answer, Refusal>>;
}

impl fmt::Debug for dyn VirtualDatabase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("VirtualDatabase")
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The user's name.
    pub user: String,
    /// May change something; others may look.
    pub is_admin: bool,
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Said beside it.
    pub notices: Vec<String>,
    /// What the rows look like; none for an answer without rows.
    pub columns: Vec<Column>,
    /// One value for each column.
    pub rows: Vec<Vec<Value>>,
    /// The name of what was done.
    pub tag: String,
}

/// A column of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: ColumnKind,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// Whole numbers of 32 bits; what is larger is told as the largest.
    Int4,
    /// Whole numbers of 64 bits.
    Int8,
    /// Numbers of any size.
    Numeric,
    /// Bytes.
    Bytes,
}

/// A value of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    Null,
    /// Of a column of text.
    Text(String),
    /// Of a column of numbers.
    Number(u64),
}

impl Answer {
    /// An answer without rows.
    pub fn done(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            ..Self::default()
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}
