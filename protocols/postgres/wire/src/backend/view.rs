use crate::body::Body;
use crate::{BodyError, Version};

/// `R`: what the server asks of the client, or that it is satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// 0: logged in.
    Ok,
    /// 3: send the password as it is.
    Cleartext,
    /// 5: send the password's hash with this salt.
    Md5([u8; 4]),
    /// 10: choose one of these mechanisms; each ends with a zero byte, the list with another.
    Sasl(&'a [u8]),
    /// 11: the mechanism's next challenge.
    SaslContinue(&'a [u8]),
    /// 12: the mechanism's last word.
    SaslFinal(&'a [u8]),
    /// Anything else (GSSAPI 7, SSPI 9, Kerberos 2): not spoken here.
    Other(u32),
}

impl<'a> Authentication<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        Ok(match body.u32("authentication code")? {
            0 => body.end().map(|()| Self::Ok)?,
            3 => body.end().map(|()| Self::Cleartext)?,
            5 => {
                let salt = body.array("salt")?;
                body.end().map(|()| Self::Md5(salt))?
            }
            10 => Self::Sasl(body.rest()),
            11 => Self::SaslContinue(body.rest()),
            12 => Self::SaslFinal(body.rest()),
            other => Self::Other(other),
        })
    }
}

/// `S`: a setting's value, at the start and whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting.
    pub name: &'a [u8],
    /// Its value now.
    pub value: &'a [u8],
}

impl<'a> ParameterStatus<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        let (name, value) = (body.text("parameter name")?, body.text("parameter value")?);
        body.end().map(|()| Self { name, value })
    }
}

/// `K`: what a CancelRequest must repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendKey<'a> {
    /// The process id.
    pub process: i32,
    /// 4 bytes, or up to 256 from protocol 3.2 on.
    pub secret: &'a [u8],
}

impl<'a> BackendKey<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        let process = body.i32("process id")?;
        let secret = body.rest();
        match secret.len() {
            0..4 => Err(BodyError::Truncated("cancel secret")),
            4..=256 => Ok(Self { process, secret }),
            long => Err(BodyError::Trailing(long - 256)),
        }
    }
}

/// The transaction status of ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// `I`: in no transaction.
    Idle,
    /// `T`: in a transaction.
    Transaction,
    /// `E`: in a failed transaction, which takes only its end.
    Failed,
}

impl Status {
    /// As on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Transaction => b'T',
            Self::Failed => b'E',
        }
    }
}

/// `Z`: the server awaits a request.
pub fn read_ready(body: &[u8]) -> Result<Status, BodyError> {
    match body {
        b"I" => Ok(Status::Idle),
        b"T" => Ok(Status::Transaction),
        b"E" => Ok(Status::Failed),
        [] => Err(BodyError::Truncated("transaction status")),
        _ => Err(BodyError::Unknown("transaction status")),
    }
}

/// `C`: the command tag, such as `SELECT 5` or `SET`.
pub fn read_tag(body: &[u8]) -> Result<&[u8], BodyError> {
    let mut body = Body::new(body);
    let tag = body.text("command tag")?;
    body.end().map(|()| tag)
}

/// `A`: somebody notified a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The notifier's process id.
    pub process: i32,
    /// The channel.
    pub channel: &'a [u8],
    /// What was said.
    pub payload: &'a [u8],
}

impl<'a> Notification<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        let process = body.i32("process id")?;
        let (channel, payload) = (body.text("channel")?, body.text("payload")?);
        body.end().map(|()| Self {
            process,
            channel,
            payload,
        })
    }
}

/// `v`: the server speaks an older minor version, or knows some protocol options not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiation<'a> {
    /// The newest version it speaks.
    pub version: Version,
    /// Protocol options that it does not know.
    pub unknown: Vec<&'a [u8]>,
}

impl<'a> Negotiation<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        // The documentation says "newest minor version", PostgreSQL sends the whole number; both are understood.
        let version = match body.u32("version")? {
            minor @ 0..=0xffff => Version::from_code(Version::V3_0.code() | minor),
            code => Version::from_code(code),
        };
        let count = body.count("option count")?;
        let mut unknown = Vec::new();
        for _ in 0..count {
            unknown.push(body.text("option name")?);
        }
        body.end().map(|()| Self { version, unknown })
    }
}

/// One column of a RowDescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The object id of its type.
    pub type_id: u32,
    /// 0 is text, 1 is binary.
    pub format: i16,
}

/// `T`: the columns of the rows to come.
pub fn read_columns(body: &[u8]) -> Result<Vec<Column<'_>>, BodyError> {
    let mut body = Body::new(body);
    let mut columns = Vec::new();
    for _ in 0..body.i16("column count")? {
        let name = body.text("column name")?;
        body.array::<6>("column origin")?;
        let type_id = body.u32("column type")?;
        body.array::<6>("column type size")?;
        let format = body.i16("column format")?;
        columns.push(Column { name, type_id, format });
    }
    body.end().map(|()| columns)
}

/// The values of a row; `None` is NULL.
pub type Row<'a> = Vec<Option<&'a [u8]>>;

/// `D`: a row.
pub fn read_row(body: &[u8]) -> Result<Row<'_>, BodyError> {
    let mut body = Body::new(body);
    let mut row = Vec::new();
    for _ in 0..body.i16("column count")? {
        row.push(match body.i32("value length")? {
            -1 => None,
            len => {
                let len = usize::try_from(len).map_err(|_| BodyError::Unknown("value length"))?;
                Some(body.bytes(len, "value")?)
            }
        });
    }
    body.end().map(|()| row)
}
