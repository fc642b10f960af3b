use std::net::IpAddr;
use std::str::FromStr;

use crate::RouteMatch;

/// What is known of a client when its route is chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The database that it asks for.
    pub database: &'a str,
    /// The user that it names.
    pub user: &'a str,
    /// Its own name for itself.
    pub application_name: &'a str,
    /// Its address; none for a Unix socket.
    pub client: Option<IpAddr>,
    /// The server name that it asked for in TLS.
    pub sni: Option<&'a str>,
    /// The names of its checked certificate.
    pub certificate: &'a [String],
}

/// What a client must be like for a route, checked and ready.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    database: Option<Pattern>,
    user: Option<Pattern>,
    application_name: Option<Pattern>,
    client: Option<Cidr>,
    sni: Option<Pattern>,
    certificate: Option<Pattern>,
}

impl Conditions {
    /// From configuration; the error says which network is none.
    pub fn build(wanted: &RouteMatch) -> Result<Self, PatternError> {
        let pattern = |text: &Option<String>| text.as_deref().map(Pattern::new);
        Ok(Self {
            database: pattern(&wanted.database),
            user: pattern(&wanted.user),
            application_name: pattern(&wanted.application_name),
            client: wanted.client.as_deref().map(str::parse).transpose()?,
            sni: wanted.sni.as_ref().map(|name| Pattern::new(&name.to_lowercase())),
            certificate: pattern(&wanted.certificate),
        })
    }

    /// Whether it depends on what a client calls itself, which it can change at any time.
    pub fn looks_at_name(&self) -> bool {
        self.application_name.is_some()
    }

    /// Whether everything that is asked for holds.
    pub fn hold(&self, subject: &Subject<'_>) -> bool {
        let text = |pattern: &Option<Pattern>, value: &str| pattern.as_ref().is_none_or(|p| p.holds(value));
        text(&self.database, subject.database)
            && text(&self.user, subject.user)
            && text(&self.application_name, subject.application_name)
            && self
                .client
                .is_none_or(|network| subject.client.is_some_and(|ip| network.contains(ip)))
            && self
                .sni
                .as_ref()
                .is_none_or(|pattern| subject.sni.is_some_and(|name| pattern.holds(&name.to_lowercase())))
            && self
                .certificate
                .as_ref()
                .is_none_or(|pattern| subject.certificate.iter().any(|name| pattern.holds(name)))
    }
}

/// A text in which `*` stands for any characters and `?` for one; behind `\` they stand for themselves, and so does `\`.
#[derive(Debug, Clone)]
struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Char(char),
}

/// A text as the pattern that holds for it alone.
pub fn literal_pattern(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if is_special(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// A pattern as people read it: [`literal_pattern`] undone.
pub fn shown_pattern(pattern: &str) -> String {
    let pieces = Pattern::new(pattern).0.into_iter();
    let char = |piece| match piece {
        Piece::Any => '*',
        Piece::One => '?',
        Piece::Char(char) => char,
    };
    pieces.map(char).collect()
}

fn is_special(char: char) -> bool {
    matches!(char, '*' | '?' | '\\')
}

impl Pattern {
    fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let piece = match char {
                '*' => Piece::Any,
                '?' => Piece::One,
                // Before anything else it is a character like others.
                '\\' => Piece::Char(chars.next_if(|next| is_special(*next)).unwrap_or(char)),
                char => Piece::Char(char),
            };
            pieces.push(piece);
        }
        Self(pieces)
    }

    /// Linear in text times stars: on a mismatch only the last `*` takes one more character.
    fn holds(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut seen) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while seen < text.len() {
            match self.0.get(at) {
                Some(Piece::Any) => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(wanted) if *wanted == Piece::One || *wanted == Piece::Char(text[seen]) => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    let Some((star_at, taken)) = star else {
                        return false;
                    };
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    seen = taken + 1;
                }
            }
        }
        self.0[at..].iter().all(|left| *left == Piece::Any)
    }
}

/// A network in CIDR notation, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: u128,
    mask: u128,
    v4: bool,
}

impl Cidr {
    /// Whether the address lies in the network.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (bits, v4) = bits(ip.to_canonical());
        v4 == self.v4 && bits & self.mask == self.network
    }
}

impl FromStr for Cidr {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PatternError(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let (bits, v4) = bits(address.parse().map_err(|_| wrong())?);
        let width = if v4 { 32 } else { 128 };
        let length = length.unwrap_or(width);
        if length > width {
            return Err(wrong());
        }
        let all = if v4 { u128::from(u32::MAX) } else { u128::MAX };
        let mask = all & all.checked_shl(width - length).unwrap_or(0);
        Ok(Self {
            network: bits & mask,
            mask,
            v4,
        })
    }
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address or network: write 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32")]
pub struct PatternError(pub String);

fn bits(ip: IpAddr) -> (u128, bool) {
    match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), true),
        IpAddr::V6(ip) => (ip.to_bits(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, holds: &[&str], fails: &[&str]) {
        let pattern = Pattern::new(pattern);
        for text in holds {
            assert!(pattern.holds(text), "{pattern:?} should hold for {text}");
        }
        for text in fails {
            assert!(!pattern.holds(text), "{pattern:?} should not hold for {text}");
        }
    }

    #[test]
    fn patterns() {
        check("app", &["app"], &["apps", "ap", ""]);
        check("app*", &["app", "apps"], &["xapp"]);
        check("*", &["", "x"], &[]);
        check("a*b*c", &["abc", "axxbxxc", "abbcc"], &["ab", "acb"]);
        check("?", &["x", "é"], &["", "xx"]);
        check(r"a\*b\?*", &["a*b?", "a*b?c"], &["axb?", "a*bx", r"a\*b?"]);
        check(r"DOMAIN\app\", &[r"DOMAIN\app\"], &["DOMAINapp"]);
        check(r"\\*", &[r"\", r"\x"], &["*"]);
    }

    #[test]
    fn a_literal_holds_for_itself_alone() {
        for text in ["a*b", "?", r"\", r"\*", "plain", ""] {
            assert_eq!(shown_pattern(&literal_pattern(text)), text);
            check(&literal_pattern(text), &[text], &["other", "a**b"]);
        }
        assert_eq!(shown_pattern("app*"), "app*");
    }

    #[test]
    fn networks() {
        let holds = |network: &str, ip: &str| network.parse::<Cidr>().unwrap().contains(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.1.2.3", "10.1.2.3") && !holds("10.1.2.3", "10.1.2.4"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("2001:db8::/32", "2001:db8::1") && holds("::/0", "::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "mapped addresses are IPv4");
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "x", "::/129", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn everything_that_is_asked_for_must_hold() {
        let wanted = RouteMatch {
            database: Some("orders".to_owned()),
            client: Some("10.0.0.0/8".to_owned()),
            sni: Some("*.Example.com".to_owned()),
            ..RouteMatch::default()
        };
        let conditions = Conditions::build(&wanted).unwrap();
        let mut subject = Subject {
            database: "orders",
            client: Some("10.1.1.1".parse().unwrap()),
            sni: Some("db.example.COM"),
            ..Subject::default()
        };
        assert!(conditions.hold(&subject));
        subject.client = None;
        assert!(!conditions.hold(&subject));
    }
}
