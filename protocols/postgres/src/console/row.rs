use tidegate_engine::{Column, ColumnKind, Value};
use tidegate_postgres_wire::Bound;
use tidegate_postgres_wire::backend::{self, Shape};

/// Digits of a numeric are groups of four (`utils/adt/numeric.c`, NBASE).
const NUMERIC_BASE: u64 = 10_000;

/// Appends RowDescription.
pub(super) fn describe(out: &mut Vec<u8>, columns: &[Column], formats: Option<&Bound>) {
    let shapes: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let (type_id, size) = type_of(column.kind);
            Shape {
                name: column.name,
                type_id,
                size,
                is_binary: formats.is_some_and(|formats| formats.is_binary(at)),
            }
        })
        .collect();
    backend::row_description(out, &shapes);
}

/// Appends a row.
pub(super) fn write(out: &mut Vec<u8>, columns: &[Column], values: &[Value], formats: Option<&Bound>) {
    let fields: Vec<Option<Vec<u8>>> = columns
        .iter()
        .zip(values)
        .enumerate()
        .map(|(at, (column, value))| {
            let is_binary = formats.is_some_and(|formats| formats.is_binary(at));
            field(column.kind, value, is_binary)
        })
        .collect();
    let fields: Vec<_> = fields.iter().map(Option::as_deref).collect();
    backend::data_row(out, &fields);
}

/// The object id of a type, and the size of its values (`pg_type.dat`).
fn type_of(kind: ColumnKind) -> (u32, i16) {
    match kind {
        ColumnKind::Text => (25, -1),
        ColumnKind::Int4 => (23, 4),
        ColumnKind::Int8 => (20, 8),
        ColumnKind::Numeric => (1700, -1),
        ColumnKind::Bytes => (17, -1),
    }
}

fn field(kind: ColumnKind, value: &Value, is_binary: bool) -> Option<Vec<u8>> {
    let number = match value {
        Value::Null => return None,
        Value::Text(text) => return Some(text.as_bytes().to_vec()),
        Value::Number(number) => *number,
    };
    let int4 = i32::try_from(number).unwrap_or(i32::MAX);
    let int8 = i64::try_from(number).unwrap_or(i64::MAX);
    Some(match (kind, is_binary) {
        (ColumnKind::Int4, false) => int4.to_string().into_bytes(),
        (ColumnKind::Int4, true) => int4.to_be_bytes().to_vec(),
        (ColumnKind::Int8, false) => int8.to_string().into_bytes(),
        (ColumnKind::Int8, true) => int8.to_be_bytes().to_vec(),
        (ColumnKind::Numeric, true) => numeric(number),
        (ColumnKind::Numeric, false) | (ColumnKind::Text | ColumnKind::Bytes, _) => number.to_string().into_bytes(),
    })
}

/// A whole number as `numeric_send` has it: how many groups of digits, the weight of the first, sign, scale, the groups.
fn numeric(mut number: u64) -> Vec<u8> {
    let mut groups = Vec::new();
    while number > 0 {
        groups.push(u16::try_from(number % NUMERIC_BASE).unwrap_or(0));
        number /= NUMERIC_BASE;
    }
    let count = u16::try_from(groups.len()).unwrap_or(0);
    let head = [count, count.saturating_sub(1), 0, 0];
    let words = head.into_iter().chain(groups.into_iter().rev());
    words.flat_map(u16::to_be_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ColumnKind, value: impl Into<Value>, text: &str, binary: &[u8]) {
        let value = value.into();
        assert_eq!(field(kind, &value, false).as_deref(), Some(text.as_bytes()));
        assert_eq!(field(kind, &value, true).as_deref(), Some(binary), "{value:?}");
    }

    #[test]
    fn values_in_both_formats() {
        check(ColumnKind::Text, "a", "a", b"a");
        check(ColumnKind::Int4, 7_u64, "7", &[0, 0, 0, 7]);
        check(ColumnKind::Int4, u64::MAX, "2147483647", &i32::MAX.to_be_bytes());
        check(ColumnKind::Int8, 7_u64, "7", &[0, 0, 0, 0, 0, 0, 0, 7]);
        check(
            ColumnKind::Int8,
            u64::MAX,
            &i64::MAX.to_string(),
            &i64::MAX.to_be_bytes(),
        );
        check(ColumnKind::Numeric, 0_u64, "0", &[0; 8]);
        check(ColumnKind::Numeric, 7_u64, "7", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
        let groups = [0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0x09, 0x29];
        check(ColumnKind::Numeric, 12_345_u64, "12345", &groups);
        assert_eq!(field(ColumnKind::Int4, &Value::Null, true), None);
    }
}
