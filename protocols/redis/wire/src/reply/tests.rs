use super::*;
use crate::ReplyError;

/// Where each reply of a stream ends, fed in pieces of these sizes.
fn ends(stream: &[u8], sizes: &[usize]) -> (Vec<usize>, Option<ReplyError>) {
    let (mut cursor, mut buffer, mut offset) = (Cursor::new(), Vec::new(), 0);
    let mut ends = Vec::new();
    let mut sizes = sizes.iter().copied().cycle();
    let mut input = stream;
    while !input.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, input.len());
        let (piece, later) = input.split_at(size);
        input = later;
        buffer.extend_from_slice(piece);
        loop {
            let walk = match cursor.walk(&buffer) {
                Ok(walk) => walk,
                Err(error) => return (ends, Some(error)),
            };
            assert!(walk.run <= buffer.len());
            buffer.drain(..walk.run);
            offset += walk.run;
            if walk.ended {
                assert!(cursor.at_boundary());
                ends.push(offset);
            } else {
                assert!(buffer.len() < 24, "a length line is short");
                break;
            }
        }
    }
    (ends, None)
}

#[track_caller]
fn check(stream: &[u8], expected: Result<&[usize], ReplyError>) {
    for size in [1, 2, 3, 5, usize::MAX] {
        let (ends, error) = ends(stream, &[size]);
        match expected {
            Ok(expected) => assert_eq!(
                (ends.as_slice(), error),
                (expected, None),
                "{size} {}",
                stream.escape_ascii()
            ),
            Err(expected) => assert_eq!(error, Some(expected), "{size} {}", stream.escape_ascii()),
        }
    }
}

#[test]
fn replies_end_where_they_end() {
    check(
        b"+OK\r\n-ERR a b\r\n:-12\r\n_\r\n#t\r\n,1.5\r\n(123\r\n",
        Ok(&[5, 15, 21, 24, 28, 34, 40]),
    );
    check(
        b"$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n!2\r\nab\r\n=5\r\ntxt:a\r\n",
        Ok(&[9, 15, 20, 28, 39]),
    );
    check(b"*0\r\n*-1\r\n*2\r\n:1\r\n$1\r\na\r\n", Ok(&[4, 9, 24]));
    check(b"%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n>1\r\n+x\r\n", Ok(&[20, 28]));
    check(b"|1\r\n+k\r\n+v\r\n*1\r\n|1\r\n+k\r\n+v\r\n:1\r\n", Ok(&[32]));
    check(b"|0\r\n:1\r\n*1\r\n*1\r\n*0\r\n+a\r\n", Ok(&[8, 20, 24]));
}

#[test]
fn streamed_replies_end_by_their_marks() {
    check(b"$?\r\n;3\r\nabc\r\n;1\r\nd\r\n;0\r\n:1\r\n", Ok(&[24, 28]));
    check(b"*?\r\n:1\r\n*2\r\n:1\r\n:2\r\n.\r\n:9\r\n", Ok(&[23, 27]));
    check(b"*2\r\n%?\r\n+a\r\n*?\r\n.\r\n.\r\n:1\r\n+b\r\n", Ok(&[26, 30]));
    check(b"~?\r\n|1\r\n+a\r\n+b\r\n*0\r\n*1\r\n*1\r\n$-1\r\n.\r\n", Ok(&[36]));
    check(b"*?\r\n*1\r\n*?\r\n:1\r\n.\r\n.\r\n", Ok(&[22]));
}

#[test]
fn nonsense_is_refused() {
    check(b"hello\r\n", Err(ReplyError::Type(b'h')));
    check(b"*1\r\n\r\n", Err(ReplyError::Type(b'\r')));
    check(b"+a\n", Err(ReplyError::NotEnded));
    check(b"$1\r\nabc", Err(ReplyError::NotEnded));
    check(b"$1\r\na\r\r\n", Err(ReplyError::NotEnded));
    check(b"$-2\r\n", Err(ReplyError::Length));
    check(b"%-1\r\n", Err(ReplyError::Length));
    check(b"*1\rx\n", Err(ReplyError::Length));
    check(b"*99999999999999999999999\r\n", Err(ReplyError::Length));
    check(
        b"%9223372036854775807\r\n*9223372036854775807\r\n",
        Err(ReplyError::Length),
    );
    check(b".\r\n", Err(ReplyError::OutOfPlace));
    check(b"*1\r\n.\r\n", Err(ReplyError::OutOfPlace));
    check(b";1\r\n", Err(ReplyError::OutOfPlace));
    check(b"$?\r\n:1\r\n", Err(ReplyError::OutOfPlace));
    check(b"*2\r\n>1\r\n:1\r\n:1\r\n", Err(ReplyError::OutOfPlace));
    check(&b"*?\r\n".repeat(17), Err(ReplyError::Depth));
}

/// A reply a million deep costs a walk and no memory.
#[test]
fn depth_is_free() {
    let stream = [b"*1\r\n".repeat(1_000_000), b":1\r\n".to_vec()].concat();
    let (ends, error) = ends(&stream, &[1 << 16]);
    assert_eq!((ends, error), (vec![stream.len()], None));
}

/// A reply as a tree, written by hand: what the walk and the views are held against.
#[derive(Debug, Clone, bolero::TypeGenerator)]
enum Tree {
    Line(u8, Vec<u8>),
    Text(u8, Vec<u8>),
    Null(bool),
    Many(u8, Vec<Tree>),
    Attributed(Box<Tree>, Box<Tree>),
    Streamed(bool, Vec<Tree>),
    Chunks(Vec<Vec<u8>>),
}

impl Tree {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Line(kind, text) => {
                out.push(b"+-:_#,("[usize::from(*kind) % 7]);
                out.extend(text.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
                out.extend(b"\r\n");
            }
            Self::Text(kind, text) => {
                out.push(b"$!="[usize::from(*kind) % 3]);
                out.extend(format!("{}\r\n", text.len()).bytes());
                out.extend(text);
                out.extend(b"\r\n");
            }
            Self::Null(array) => out.extend(if *array { b"*-1\r\n" } else { b"$-1\r\n" }),
            Self::Many(kind, values) => {
                let kind = b"*~%"[usize::from(*kind) % 3];
                let each = if kind == b'%' { 2 } else { 1 };
                out.push(kind);
                out.extend(format!("{}\r\n", values.len() / each).bytes());
                for value in &values[..values.len() / each * each] {
                    value.write(out);
                }
            }
            Self::Attributed(key, value) => {
                out.extend(b"|1\r\n+k\r\n");
                key.write(out);
                value.write(out);
            }
            Self::Streamed(set, values) => {
                out.extend(if *set { b"~?\r\n" } else { b"*?\r\n" });
                for value in values {
                    value.write(out);
                }
                out.extend(b".\r\n");
            }
            Self::Chunks(chunks) => {
                out.extend(b"$?\r\n");
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    out.extend(format!(";{}\r\n", chunk.len()).bytes());
                    out.extend(chunk);
                    out.extend(b"\r\n");
                }
                out.extend(b";0\r\n");
            }
        }
    }
}

/// Looks into all of a reply.
fn look(value: &Value<'_>, depth: usize) -> usize {
    if let Value::Streamed(chunks) = value {
        return chunks.clone().map(<[u8]>::len).sum();
    }
    let Some(items) = value.items().filter(|_| depth < 8) else {
        return 1;
    };
    items.flatten().map(|item| look(&item, depth + 1)).sum()
}

#[test]
fn cuts_change_nothing() {
    bolero::check!()
        .with_type::<(Vec<Tree>, Vec<u8>)>()
        .for_each(|(trees, sizes)| {
            let (mut stream, mut expected) = (Vec::new(), Vec::new());
            for tree in trees {
                tree.write(&mut stream);
                expected.push(stream.len());
            }
            let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
            let whole = ends(&stream, &[usize::MAX]);
            assert!(whole.1.is_some_and(|error| error == ReplyError::Depth) || whole == (expected, None));
            assert_eq!(ends(&stream, &sizes), whole);
            assert_eq!(ends(&stream, &[1]), whole);
            let mut start = 0;
            for end in whole.0 {
                if let Ok((value, used)) = Value::read(&stream[start..]) {
                    assert_eq!(used, end - start);
                    look(&value, 0);
                }
                start = end;
            }
        });
}

#[test]
fn values_are_read() {
    let read = |bytes: &'static [u8]| Value::read(bytes).map(|(value, _)| value);
    assert_eq!(read(b"+OK\r\n"), Ok(Value::Simple(b"OK")));
    assert_eq!(read(b"|1\r\n+a\r\n*1\r\n+b\r\n|0\r\n:-7\r\n"), Ok(Value::Integer(-7)));
    assert_eq!(read(b"$2\r\n\r\n\r\n"), Ok(Value::Bulk(b"\r\n")));
    assert_eq!(read(b"=6\r\nmkd:# \r\n"), Ok(Value::Verbatim(*b"mkd", b"# ")));
    assert_eq!(read(b",-inf\r\n"), Ok(Value::Double(f64::NEG_INFINITY)));
    assert_eq!(read(b",1e3\r\n"), Ok(Value::Double(1000.0)));
    assert_eq!(read(b"#f\r\n"), Ok(Value::Boolean(false)));
    assert_eq!(read(b"!5\r\nERR x\r\n"), Ok(Value::Error(Failure::new(b"ERR x"))));
    for null in [&b"_\r\n"[..], b"$-1\r\n", b"*-1\r\n"] {
        assert_eq!(read(null), Ok(Value::Null));
    }
    assert_eq!(read(b":x\r\n"), Err(ReplyError::Value));
    assert_eq!(read(b"#x\r\n"), Err(ReplyError::Value));
    assert_eq!(read(b"=3\r\nabc\r\n"), Err(ReplyError::Value));
    assert_eq!(read(b""), Err(ReplyError::Cut));
    assert_eq!(read(b"*2\r\n:1\r\n"), Err(ReplyError::Cut));
    let map = read(b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n$1\r\nx\r\n").unwrap();
    let pairs: Vec<_> = map.pairs().unwrap().map(Result::unwrap).collect();
    assert_eq!(pairs[0], (Value::Simple(b"a"), Value::Integer(1)));
    let nested: Vec<_> = pairs[1].1.items().unwrap().collect();
    assert_eq!(nested, [Ok(Value::Bulk(b"x"))]);
    let Value::Streamed(chunks) = read(b"$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n").unwrap() else {
        panic!("not streamed");
    };
    assert_eq!(chunks.collect::<Vec<_>>(), [&b"ab"[..], b"c"]);
    assert_eq!(read(b"*?\r\n:1\r\n.\r\n").unwrap().items().unwrap().count(), 1);
    assert_eq!(read(b"$2\r\n42\r\n").unwrap().integer(), Some(42));
}

#[test]
fn each_version_is_said_in_its_words() {
    let write = |version, say: &dyn Fn(&mut Writer<'_>)| {
        let mut out = Vec::new();
        say(&mut Writer::new(&mut out, version));
        String::from_utf8(out).unwrap()
    };
    let check = |say: &dyn Fn(&mut Writer<'_>), old: &str, new: &str| {
        assert_eq!(write(Version::Resp2, say), old);
        assert_eq!(write(Version::Resp3, say), new);
    };
    check(&|w| w.null(), "$-1\r\n", "_\r\n");
    check(&|w| w.boolean(true), ":1\r\n", "#t\r\n");
    check(&|w| w.double(2.5), "$3\r\n2.5\r\n", ",2.5\r\n");
    check(&|w| w.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    check(&|w| w.verbatim(*b"txt", "ab"), "$2\r\nab\r\n", "=6\r\ntxt:ab\r\n");
    check(&|w| w.map(2), "*4\r\n", "%2\r\n");
    check(&|w| w.set(2), "*2\r\n", "~2\r\n");
    check(&|w| w.push(3), "*3\r\n", ">3\r\n");
    check(&|w| w.integer(-5), ":-5\r\n", ":-5\r\n");
    check(&|w| w.error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n");
    check(
        &|w| subscription(w, "unsubscribe", None, 0),
        "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
        ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n",
    );
}
