use tidegate_base::Refusal;

use super::{Severity, Status};
use crate::body::{self, length, message, text};
use crate::{Version, sqlstate};

/// Appends AuthenticationOk.
pub fn authentication_ok(out: &mut Vec<u8>) {
    authentication(out, 0, &[]);
}

/// Appends AuthenticationCleartextPassword.
pub fn authentication_cleartext(out: &mut Vec<u8>) {
    authentication(out, 3, &[]);
}

/// Appends AuthenticationMD5Password.
pub fn authentication_md5(out: &mut Vec<u8>, salt: [u8; 4]) {
    authentication(out, 5, &salt);
}

/// Appends AuthenticationSASL with the mechanisms, the preferred first.
pub fn authentication_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) {
    let mut list = Vec::new();
    for mechanism in mechanisms {
        text(&mut list, mechanism.as_bytes());
    }
    list.push(0);
    authentication(out, 10, &list);
}

/// Appends AuthenticationSASLContinue.
pub fn authentication_sasl_continue(out: &mut Vec<u8>, data: &[u8]) {
    authentication(out, 11, data);
}

/// Appends AuthenticationSASLFinal.
pub fn authentication_sasl_final(out: &mut Vec<u8>, data: &[u8]) {
    authentication(out, 12, data);
}

fn authentication(out: &mut Vec<u8>, code: u32, data: &[u8]) {
    message(out, b'R', |out| {
        out.extend_from_slice(&code.to_be_bytes());
        out.extend_from_slice(data);
    });
}

/// Appends NegotiateProtocolVersion: the version to go on with, and the protocol options that are not known.
/// The number is the whole version, as PostgreSQL sends and libpq expects it.
pub fn negotiate_protocol_version<'a>(out: &mut Vec<u8>, version: Version, unknown: impl IntoIterator<Item = &'a str>) {
    let (mut count, mut names) = (0, Vec::new());
    for name in unknown {
        count += 1;
        text(&mut names, name.as_bytes());
    }
    message(out, b'v', |out| {
        out.extend_from_slice(&version.code().to_be_bytes());
        out.extend_from_slice(&length(count).to_be_bytes());
        out.extend_from_slice(&names);
    });
}

/// Appends ParameterStatus.
pub fn parameter_status(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

/// Appends BackendKeyData.
pub fn backend_key_data(out: &mut Vec<u8>, process: i32, secret: &[u8]) {
    message(out, b'K', |out| {
        out.extend_from_slice(&process.to_be_bytes());
        out.extend_from_slice(secret);
    });
}

/// Appends ReadyForQuery.
pub fn ready(out: &mut Vec<u8>, status: Status) {
    message(out, b'Z', |out| out.push(status.byte()));
}

/// Appends ErrorResponse. `hint` says what to do about it.
pub fn error(out: &mut Vec<u8>, severity: Severity, code: &str, words: &str, hint: Option<&str>) {
    diagnostic(out, b'E', severity, code, words, hint);
}

/// Appends NoticeResponse.
pub fn notice(out: &mut Vec<u8>, code: &str, words: &str) {
    diagnostic(out, b'N', Severity::Notice, code, words, None);
}

/// Appends a refusal as ErrorResponse.
pub fn refusal(out: &mut Vec<u8>, severity: Severity, refusal: &Refusal) {
    error(out, severity, sqlstate::of(refusal), &refusal.text, None);
}

fn diagnostic(out: &mut Vec<u8>, kind: u8, severity: Severity, code: &str, words: &str, hint: Option<&str>) {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
        Severity::Panic => "PANIC",
        Severity::Notice => "NOTICE",
    };
    let fields = [
        (b'S', Some(severity)),
        (b'V', Some(severity)),
        (b'C', Some(code)),
        (b'M', Some(words)),
        (b'H', hint),
    ];
    message(out, kind, |out| {
        for (letter, value) in fields {
            if let Some(value) = value {
                out.push(letter);
                text(out, value.as_bytes());
            }
        }
        out.push(0);
    });
}

/// Appends CommandComplete with its tag.
pub fn command_complete(out: &mut Vec<u8>, tag: &str) {
    message(out, b'C', |out| text(out, tag.as_bytes()));
}

/// Appends EmptyQueryResponse.
pub fn empty_query(out: &mut Vec<u8>) {
    message(out, b'I', |_| ());
}

/// Appends ParseComplete.
pub fn parse_complete(out: &mut Vec<u8>) {
    message(out, b'1', |_| ());
}

/// Appends BindComplete.
pub fn bind_complete(out: &mut Vec<u8>) {
    message(out, b'2', |_| ());
}

/// Appends CloseComplete.
pub fn close_complete(out: &mut Vec<u8>) {
    message(out, b'3', |_| ());
}

/// Appends NoData.
pub fn no_data(out: &mut Vec<u8>) {
    message(out, b'n', |_| ());
}

/// Appends PortalSuspended.
pub fn portal_suspended(out: &mut Vec<u8>) {
    message(out, b's', |_| ());
}

/// Appends ParameterDescription.
pub fn parameter_description(out: &mut Vec<u8>, types: &[u32]) {
    message(out, b't', |out| {
        let count = u16::try_from(types.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for id in types.iter().take(usize::from(count)) {
            out.extend_from_slice(&id.to_be_bytes());
        }
    });
}

/// Appends CopyInResponse for text columns.
pub fn copy_in_response(out: &mut Vec<u8>, columns: u16) {
    message(out, b'G', |out| {
        out.push(0);
        out.extend_from_slice(&columns.to_be_bytes());
        out.extend(std::iter::repeat_n([0, 0], usize::from(columns)).flatten());
    });
}

/// Appends NotificationResponse.
pub fn notification(out: &mut Vec<u8>, process: i32, channel: &[u8], payload: &[u8]) {
    message(out, b'A', |out| {
        out.extend_from_slice(&process.to_be_bytes());
        text(out, channel);
        text(out, payload);
    });
}

/// A column of no table, for [`row_description`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape<'a> {
    /// Its name.
    pub name: &'a str,
    /// The object id of its type.
    pub type_id: u32,
    /// How many bytes a value has in binary; -1 when it varies.
    pub size: i16,
    /// Whether its values are sent in binary, else in text.
    pub is_binary: bool,
}

/// Appends RowDescription.
pub fn row_description(out: &mut Vec<u8>, columns: &[Shape<'_>]) {
    message(out, b'T', |out| {
        let count = u16::try_from(columns.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for column in columns.iter().take(usize::from(count)) {
            text(out, column.name.as_bytes());
            out.extend_from_slice(&[0; 6]);
            out.extend_from_slice(&column.type_id.to_be_bytes());
            out.extend_from_slice(&column.size.to_be_bytes());
            // No type modifier.
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            out.extend_from_slice(&i16::from(column.is_binary).to_be_bytes());
        }
    });
}

/// Appends DataRow of text values; `None` is NULL.
pub fn data_row(out: &mut Vec<u8>, values: &[Option<&[u8]>]) {
    message(out, b'D', |out| {
        let count = u16::try_from(values.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for value in values.iter().take(usize::from(count)) {
            field(out, *value);
        }
    });
}

/// Appends one value as rows and parameters hold it: a length and bytes, or -1 for NULL.
pub fn field(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            out.extend_from_slice(&body::length(value.len()).to_be_bytes());
            out.extend_from_slice(value);
        }
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}
