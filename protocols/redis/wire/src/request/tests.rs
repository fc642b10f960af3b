use super::*;
use crate::RequestError;

/// Everything a stream says, its commands as they would go upstream, until its end or an error.
fn read(stream: &[u8], sizes: &[usize], limits: Limits, stranger: bool) -> (Vec<Vec<u8>>, Option<RequestError>) {
    let (mut splitter, mut buffer) = (Splitter::new(limits, stranger), Vec::new());
    let mut seen = Vec::new();
    let mut sizes = sizes.iter().copied().cycle();
    let mut input = stream;
    while !input.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, input.len());
        let (piece, later) = input.split_at(size);
        input = later;
        buffer.extend_from_slice(piece);
        loop {
            let (total, said) = match splitter.next(&buffer) {
                Err(error) => return (seen, Some(error)),
                Ok(Step::More(more)) => {
                    assert!(more.missing > 0);
                    break;
                }
                Ok(Step::Skip(total)) => (total, Vec::new()),
                Ok(Step::Inline(line)) => {
                    let mut said = Vec::new();
                    match line.rewrite(&mut said) {
                        Ok(_) => (line.total(), said),
                        Err(error) => return (seen, Some(error)),
                    }
                }
                Ok(Step::Command(command)) => {
                    assert!(command.is_whole() && command.arguments().len() == command.count());
                    let arguments: Vec<&[u8]> = command.arguments().collect();
                    let mut said = Vec::new();
                    crate::request::command(&mut said, &arguments);
                    for (index, argument) in arguments.iter().enumerate() {
                        assert_eq!(command.argument(index), Some(*argument));
                    }
                    assert_eq!(command.argument(arguments.len()), None);
                    assert_eq!(command.arguments_from(arguments.len()).next(), None);
                    (command.bytes().len(), said)
                }
            };
            assert!(splitter.at_boundary());
            buffer.drain(..total);
            seen.push(said);
        }
    }
    (seen, None)
}

#[track_caller]
fn check<const N: usize>(stream: &[u8], expected: [&str; N], error: Option<RequestError>) {
    for size in [1, 2, 3, 7, usize::MAX] {
        let (seen, wrong) = read(stream, &[size], Limits::default(), false);
        let seen: Vec<_> = seen.iter().map(|said| String::from_utf8_lossy(said)).collect();
        assert_eq!(
            (seen.as_slice(), wrong),
            (expected.map(Into::into).as_slice(), error),
            "{size}"
        );
    }
}

#[test]
fn commands_are_found() {
    check(b"*1\r\n$4\r\nPING\r\n", ["*1\r\n$4\r\nPING\r\n"], None);
    check(
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*0\r\n*-1\r\n\r\n\n*1\r\n$0\r\n\r\nget \"a b\"\n",
        [
            "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
            "*1\r\n$4\r\nPING\r\n",
            "",
            "",
            "",
            "",
            "*1\r\n$0\r\n\r\n",
            "*2\r\n$3\r\nget\r\n$3\r\na b\r\n",
        ],
        None,
    );
}

#[test]
fn errors_are_redis_own() {
    let texts: &[(&[u8], &str)] = &[
        (b"*a\r\n", "invalid multibulk length"),
        (b"*1\rx", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n+PING\r\n", "expected '$', got '+'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$1\r\nabc", "expected CRLF behind a bulk string"),
        (b"set \"a\n", "unbalanced quotes in request"),
    ];
    for (stream, text) in texts {
        for size in [1, usize::MAX] {
            let (seen, error) = read(stream, &[size], Limits::default(), false);
            let error = error.map(|error| error.to_string());
            assert_eq!(
                error,
                Some(format!("Protocol error: {text}")),
                "{}",
                stream.escape_ascii()
            );
            assert_eq!(seen, Vec::<Vec<u8>>::new());
        }
    }
}

#[test]
fn lines_without_an_end_are_refused() {
    for (start, text) in [
        ("a", RequestError::InlineTooLong),
        ("*1", RequestError::CountTooLong),
        ("*1\r\n$1", RequestError::LengthTooLong),
    ] {
        let stream = [start.as_bytes(), &vec![b'1'; (64 << 10) + 1]].concat();
        assert_eq!(read(&stream, &[1 << 12], Limits::default(), false).1, Some(text));
    }
}

#[test]
fn strangers_may_say_little() {
    let ten = [b"*10\r\n".as_slice(), &b"$1\r\na\r\n".repeat(10)].concat();
    assert_eq!(read(&ten, &[9], Limits::default(), true).1, None);
    let strange = |stream: &[u8]| read(stream, &[9], Limits::default(), true).1;
    assert_eq!(strange(b"*11\r\n"), Some(RequestError::UnauthenticatedCount));
    assert_eq!(strange(b"*1\r\n$16384\r\n"), None);
    assert_eq!(strange(b"*1\r\n$16385\r\n"), Some(RequestError::UnauthenticatedLength));
    let mut splitter = Splitter::new(Limits::default(), true);
    splitter.set_stranger(false);
    assert!(matches!(splitter.next(b"*11\r\n"), Ok(Step::More(_))));
}

#[test]
fn a_command_is_bounded_as_a_whole() {
    let limits = Limits {
        frame: 32,
        ..Limits::default()
    };
    let fits = b"*2\r\n$3\r\nGET\r\n$13\r\n0123456789abc\r\n";
    assert_eq!(fits.len(), 33);
    assert_eq!(read(fits, &[5], limits, false).1, Some(RequestError::TooLong));
    let (seen, error) = read(b"*2\r\n$3\r\nGET\r\n$12\r\n0123456789ab\r\n", &[5], limits, false);
    assert_eq!((seen.len(), error), (1, None));
    // Refused by its header, before any of it is held.
    let mut splitter = Splitter::new(limits, false);
    let refused = splitter.next(b"*2\r\n$3\r\nGET\r\n$100\r\n").unwrap_err();
    assert_eq!(refused, RequestError::TooLong);
}

#[test]
fn a_command_is_known_before_its_end() {
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc";
    let mut splitter = Splitter::new(Limits::default(), false);
    let Ok(Step::More(more)) = splitter.next(head) else {
        panic!("it is not here");
    };
    let command = more.command.unwrap();
    assert_eq!((command.name(), command.argument(1)), (&b"SET"[..], Some(&b"k"[..])));
    assert_eq!((command.count(), command.here(), command.argument(2)), (3, 2, None));
    assert_eq!(more.missing, 1_000_000 - 3 + 2);
    let Passed { run, ended } = splitter.flow(head).unwrap();
    assert_eq!((run, ended), (head.len(), false));
    let mut left = 1_000_000 - 3;
    while left > 0 {
        let size = left.min(16 << 10);
        let passed = splitter.pass(&vec![b'\r'; size]).unwrap();
        assert_eq!(
            passed,
            Passed {
                run: size,
                ended: false
            }
        );
        left -= size;
    }
    assert_eq!(splitter.pass(b"\r").unwrap(), Passed { run: 0, ended: false });
    assert_eq!(splitter.pass(b"\r\n*1").unwrap(), Passed { run: 2, ended: true });
    assert!(splitter.at_boundary());
}

/// A stream of commands, lines and nonsense, made of what the fuzzer says.
fn stream(parts: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (kind, text) in parts {
        match kind % 8 {
            0 => stream.extend_from_slice(text),
            1 => stream.extend_from_slice(b"*0\r\n"),
            2 => stream.extend([b"\"", text.as_slice(), b"\"\r\n"].concat()),
            _ => {
                let count = usize::from(*kind) / 8 % 20 + 1;
                crate::request::command(&mut stream, &vec![text; count]);
            }
        }
    }
    stream
}

#[test]
fn cuts_change_nothing() {
    bolero::check!()
        .with_type::<(Vec<(u8, Vec<u8>)>, Vec<u8>, bool)>()
        .for_each(|(parts, sizes, stranger)| {
            let stream = stream(parts);
            let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
            let whole = read(&stream, &[usize::MAX], Limits::default(), *stranger);
            assert_eq!(read(&stream, &sizes, Limits::default(), *stranger), whole);
            assert_eq!(read(&stream, &[1], Limits::default(), *stranger), whole);
        });
}

/// A command that flows by has the length of the one that is held.
#[test]
fn flowing_ends_where_holding_does() {
    bolero::check!()
        .with_type::<(Vec<Vec<u8>>, usize, Vec<u8>)>()
        .for_each(|(arguments, cut, sizes)| {
            let mut stream = Vec::new();
            crate::request::command(&mut stream, arguments);
            let total = stream.len();
            stream.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
            let cut = cut % total;
            let mut splitter = Splitter::new(Limits::default(), false);
            match splitter.next(&stream[..cut]).unwrap() {
                Step::More(more) if more.command.is_some() => (),
                _ => return,
            }
            let mut passed = splitter.flow(&stream[..cut]).unwrap();
            let (mut at, mut end) = (passed.run, cut);
            let mut sizes = sizes.iter().map(|size| usize::from(*size) + 1).chain([usize::MAX]);
            while !passed.ended {
                end = end.saturating_add(sizes.next().unwrap()).min(stream.len());
                passed = splitter.pass(&stream[at..end]).unwrap();
                at += passed.run;
            }
            assert_eq!(at, total);
        });
}
