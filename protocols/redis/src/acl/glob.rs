//! Redis's own patterns (`util.c`, `stringmatchlen`), byte for byte, without its recursion.

/// Whether a text is like a pattern. `*` is anything, `?` any byte, `[a-c]` and `[^x]` a byte of a class, `\` takes the
/// next byte as it is. Takes at most as many steps as the lengths of both multiplied.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        // Redis does not look at the pattern then, so that even `*` is not like an empty text.
        return pattern.is_empty();
    }
    let (mut at, mut seen) = (0, 0);
    // Behind the last star, and where what it stands for ends. Earlier stars need not be tried again: what stands behind
    // this one would only have less to be found in.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(at..).unwrap_or_default();
        let Some(byte) = text.get(seen) else {
            return rest.iter().all(|byte| *byte == b'*');
        };
        if rest.first() == Some(&b'*') {
            if rest.iter().all(|byte| *byte == b'*') {
                return true;
            }
            at += 1;
            star = Some((at, seen));
            continue;
        }
        if let Some(length) = one(rest, *byte) {
            at += length;
            seen += 1;
            continue;
        }
        let Some((behind, from)) = star else { return false };
        star = Some((behind, from + 1));
        (at, seen) = (behind, from + 1);
    }
}

/// The length of the pattern's first part when that is like this byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (is_in, length) = class_has(class, byte);
            is_in.then_some(length + 1)
        }
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Whether a byte is in the class that begins here, behind its `[`, and how long that is. A class without an end ends
/// with the pattern.
fn class_has(class: &[u8], byte: u8) -> (bool, usize) {
    let is_negated = class.first() == Some(&b'^');
    let mut at = usize::from(is_negated);
    let mut is_in = false;
    loop {
        at += match class.get(at..).unwrap_or_default() {
            [b'\\', escaped, ..] => {
                is_in |= *escaped == byte;
                2
            }
            [b']', ..] => return (is_in != is_negated, at + 1),
            [] => return (is_in != is_negated, at),
            [from, b'-', to, ..] => {
                is_in |= in_range(*from, *to, byte);
                3
            }
            [other, ..] => {
                is_in |= *other == byte;
                1
            }
        };
    }
}

/// Ends in any order. Bytes are compared as C's signed `char`, as where Redis is usually run.
fn in_range(from: u8, to: u8, byte: u8) -> bool {
    let (from, to, byte) = (from.cast_signed(), to.cast_signed(), byte.cast_signed());
    (from.min(to)..=from.max(to)).contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    /// Tries everything: what a pattern means, said as plainly as can be.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            _ => match text {
                [byte, behind @ ..] => one(pattern, *byte).is_some_and(|length| naive(&pattern[length..], behind)),
                [] => false,
            },
        }
    }

    /// The C of Redis 7.0, line by line, with its pointers as slices that end in a NUL.
    fn of_redis(pattern: &[u8], text: &[u8], skip: &mut bool) -> bool {
        let at = |index: usize| pattern.get(index).copied().unwrap_or(0);
        let (mut p, mut s) = (0, 0);
        while p < pattern.len() && s < text.len() {
            match at(p) {
                b'*' => {
                    while p < pattern.len() && at(p + 1) == b'*' {
                        p += 1;
                    }
                    if p + 1 == pattern.len() {
                        return true;
                    }
                    while s < text.len() {
                        if of_redis(&pattern[p + 1..], &text[s..], skip) {
                            return true;
                        }
                        if *skip {
                            return false;
                        }
                        s += 1;
                    }
                    *skip = true;
                    return false;
                }
                b'?' => s += 1,
                b'[' => {
                    p += 1;
                    let not = at(p) == b'^';
                    p += usize::from(not);
                    let mut is_in = false;
                    loop {
                        let left = pattern.len() - p;
                        if at(p) == b'\\' && left >= 2 {
                            p += 1;
                            is_in |= at(p) == text[s];
                        } else if at(p) == b']' {
                            break;
                        } else if left == 0 {
                            p -= 1;
                            break;
                        } else if left >= 3 && at(p + 1) == b'-' {
                            let (mut start, mut end) = (at(p).cast_signed(), at(p + 2).cast_signed());
                            if start > end {
                                (start, end) = (end, start);
                            }
                            p += 2;
                            is_in |= text[s].cast_signed() >= start && text[s].cast_signed() <= end;
                        } else {
                            is_in |= at(p) == text[s];
                        }
                        p += 1;
                    }
                    if is_in == not {
                        return false;
                    }
                    s += 1;
                }
                other => {
                    let mut literal = other;
                    if other == b'\\' && pattern.len() - p >= 2 {
                        p += 1;
                        literal = at(p);
                    }
                    if literal != text[s] {
                        return false;
                    }
                    s += 1;
                }
            }
            p += 1;
            if s == text.len() {
                while at(p) == b'*' {
                    p += 1;
                }
                break;
            }
        }
        p == pattern.len() && s == text.len()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn same_as_redis_and_as_trying_everything(
            pattern in proptest::collection::vec(proptest::sample::select(b"**?[]^-\\abc\xe4".as_slice()), 0..12),
            text in proptest::collection::vec(proptest::sample::select(b"aabbc-]\\\xe4\xff".as_slice()), 0..10),
        ) {
            prop_assert_eq!(matches(&pattern, &text), of_redis(&pattern, &text, &mut false));
            if !text.is_empty() {
                prop_assert_eq!(matches(&pattern, &text), naive(&pattern, &text));
            }
        }
    }

    #[test]
    fn known_answers() {
        for (pattern, text, expected) in [
            ("app:*", "app:", true),
            ("app:*", "app", false),
            ("*", "", false),
            ("", "", true),
            ("h[a-e]llo", "hello", true),
            ("h[^e]llo", "hello", false),
            ("h\\*llo", "h*llo", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("a\\", "a\\", true),
            ("*:*:end", "a:b:c:end", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    /// What takes other matchers ages.
    #[test]
    fn many_stars_are_no_burden() {
        let pattern = b"a*".repeat(200);
        let mut text = vec![b'a'; 20_000];
        text.push(b'b');
        let mut pattern_b = pattern.clone();
        pattern_b.push(b'c');
        let start = Instant::now();
        assert!(matches(&pattern, &text) && !matches(&pattern_b, &text));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
