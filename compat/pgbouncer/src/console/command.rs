use tidegate_base::{Reason, Refusal};

use super::port::Ending;
use super::show::{self, Show};

/// The longest command and the longest name that follows it (`admin.c`, `admin_parse_query`).
const MOST_COMMAND: usize = 15;
const MOST_NAME: usize = 63;

/// What somebody at the console wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// A table.
    Show(Show),
    /// A setting that drivers ask for, with a value that never changes.
    Parameter(&'static str, &'static str),
    /// The same, to be set: nothing comes of it.
    SetParameter,
    /// Another value for a key.
    Set {
        /// Which.
        key: String,
        /// Its value.
        value: String,
    },
    /// Read the configuration again.
    Reload,
    /// End the process.
    Shutdown(Ending),
    /// Give nobody a server connection; of one database where it is named.
    Pause(String),
    /// Go on.
    Resume(String),
    /// End the clients of a database, or all.
    Kill(String),
    /// End one client.
    KillClient(String),
    /// Let no new client in.
    Disable(String),
    /// Let them in again.
    Enable(String),
    /// Make server connections anew.
    Reconnect(String),
    /// Wait until those are gone that are made anew.
    WaitClose(String),
    /// Read nothing more of anybody.
    Suspend,
}

/// Settings that some drivers ask for or set unasked (`admin.c`, `fake_param_list`).
const PARAMETERS: [(&str, &str); 6] = [
    ("client_encoding", "UTF-8"),
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    ("datestyle", "ISO"),
    ("timezone", "GMT"),
    ("extra_float_digits", "2"),
];

/// Commands that take a name.
type WithName = (&'static str, fn(String) -> Command);

const WITH_NAME: [WithName; 8] = [
    ("disable", Command::Disable),
    ("enable", Command::Enable),
    ("kill", Command::Kill),
    ("kill_client", Command::KillClient),
    ("pause", Command::Pause),
    ("reconnect", Command::Reconnect),
    ("resume", Command::Resume),
    ("wait_close", Command::WaitClose),
];

impl Command {
    /// Reads a statement: one or two words, bare or in double quotes, or `SET key = value`; a semicolon at the end.
    pub(super) fn read(statement: &str) -> Result<Self, Refusal> {
        let unknown = || {
            let text = format!("invalid command '{statement}', use SHOW HELP;");
            Refusal::new(Reason::Invalid, text)
        };
        let words = words(statement).ok_or_else(unknown)?;
        let (name, argument) = match words {
            Words::Set { key, value } => return Ok(set(key, value)),
            Words::Plain(name, argument) => (name, argument.unwrap_or_default()),
        };
        if name.len() > MOST_COMMAND || argument.len() > MOST_NAME {
            return Err(Refusal::new(Reason::Invalid, "bad arguments"));
        }
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        if is("show") || is("select") {
            return shown(&argument).ok_or_else(unknown);
        }
        if let Some((_, command)) = WITH_NAME.into_iter().find(|(word, _)| is(word)) {
            return Ok(command(argument));
        }
        match argument.to_ascii_lowercase().as_str() {
            "" if is("reload") => Ok(Self::Reload),
            "" if is("suspend") => Ok(Self::Suspend),
            "" if is("shutdown") => Ok(Self::Shutdown(Ending::Now)),
            "wait_for_servers" if is("shutdown") => Ok(Self::Shutdown(Ending::WhenServersRest)),
            "wait_for_clients" if is("shutdown") => Ok(Self::Shutdown(Ending::WhenClientsLeave)),
            _ => Err(unknown()),
        }
    }
}

fn shown(name: &str) -> Option<Command> {
    if let Some((name, value)) = parameter(name) {
        return Some(Command::Parameter(name, value));
    }
    let (_, show) = show::ALL
        .into_iter()
        .find(|(word, _)| name.eq_ignore_ascii_case(word))?;
    Some(Command::Show(show))
}

fn set(key: String, value: String) -> Command {
    if parameter(&key).is_some() {
        Command::SetParameter
    } else {
        Command::Set { key, value }
    }
}

fn parameter(name: &str) -> Option<(&'static str, &'static str)> {
    PARAMETERS
        .into_iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known))
}

/// A statement in its words, quotes taken off.
#[derive(Debug, PartialEq, Eq)]
enum Words {
    Plain(String, Option<String>),
    Set { key: String, value: String },
}

fn words(statement: &str) -> Option<Words> {
    let rest = blank(statement);
    let (first, rest) = word(rest)?;
    if is_end(rest) {
        return Some(Words::Plain(first, None));
    }
    if !rest.starts_with(is_blank) {
        return None;
    }
    let (second, rest) = word(blank(rest))?;
    if is_end(rest) {
        return Some(Words::Plain(first, Some(second)));
    }
    if !first.eq_ignore_ascii_case("set") || second.is_empty() {
        return None;
    }
    let rest = blank(rest);
    let behind = match rest.strip_prefix('=') {
        Some(behind) => behind,
        None => rest
            .get(..2)
            .filter(|word| word.eq_ignore_ascii_case("to"))
            .and(rest.get(2..))?,
    };
    let (value, rest) = quoted(blank(behind), '\'').or_else(|| word(blank(behind)))?;
    is_end(rest).then_some(Words::Set { key: second, value })
}

/// A word and what stands behind it.
fn word(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).filter(|(word, _)| !word.is_empty())?;
    Some((word.to_owned(), rest))
}

/// A text in quotes, in which two stand for one.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix(quote)?;
    let mut out = String::new();
    loop {
        let (inside, behind) = rest.split_once(quote)?;
        out.push_str(inside);
        match behind.strip_prefix(quote) {
            Some(behind) => {
                out.push(quote);
                rest = behind;
            }
            None => return Some((out, behind)),
        }
    }
}

fn is_end(rest: &str) -> bool {
    let rest = blank(rest);
    blank(rest.strip_prefix(';').unwrap_or(rest)).is_empty()
}

fn blank(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(statement: &str, expected: Result<Command, &str>) {
        let read = Command::read(statement).map_err(|refusal| refusal.text.into_owned());
        assert_eq!(read, expected.map_err(str::to_owned));
    }

    #[test]
    fn commands() {
        check("SHOW POOLS", Ok(Command::Show(Show::Pools)));
        check("  show\n\"Pools\" ;\t", Ok(Command::Show(Show::Pools)));
        check("select version;", Ok(Command::Show(Show::Version)));
        check("\"show\" stats", Ok(Command::Show(Show::Stats)));
        check("RELOAD;", Ok(Command::Reload));
        check("shutdown", Ok(Command::Shutdown(Ending::Now)));
        let gently = Command::Shutdown(Ending::WhenClientsLeave);
        check("SHUTDOWN Wait_For_Clients", Ok(gently));
        check(
            "SHUTDOWN wait_for_servers",
            Ok(Command::Shutdown(Ending::WhenServersRest)),
        );
        check("pause", Ok(Command::Pause(String::new())));
        check("PAUSE \"My \"\"db\";", Ok(Command::Pause("My \"db".to_owned())));
        check("resume Shop", Ok(Command::Resume("Shop".to_owned())));
        check("KILL_CLIENT 17", Ok(Command::KillClient("17".to_owned())));
        check("Wait_Close shop", Ok(Command::WaitClose("shop".to_owned())));
        check("suspend", Ok(Command::Suspend));
        check("show TimeZone", Ok(Command::Parameter("timezone", "GMT")));
    }

    #[test]
    fn set() {
        for statement in [
            "set timezone = 'x''y'",
            "SET TimeZone to x",
            "set timezone='';",
            "set \"timezone\"=\"a\"",
        ] {
            check(statement, Ok(Command::SetParameter));
        }
        let set = |key: &str, value: &str| Command::Set {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        check("set max_client_conn=200", Ok(set("max_client_conn", "200")));
        check("SET query_timeout TO '0.5';", Ok(set("query_timeout", "0.5")));
        check("SET admin_users = ''", Ok(set("admin_users", "")));
        check("SET \"a.b\" = 'it''s'", Ok(set("a.b", "it's")));
        for statement in [
            "set timezone",
            "set timezone 'x'",
            "set timezone = 'x",
            "set timezone = ",
            "set \"\" = a",
        ] {
            let expected = format!("invalid command '{statement}', use SHOW HELP;");
            check(statement, Err(&expected));
        }
    }

    #[test]
    fn what_is_none() {
        let none = [
            "",
            ";",
            "bogus",
            "show",
            "show bogus",
            "show pools clients",
            "show pools; show pools",
            "show pools;;",
            "reload now",
            "shutdown later",
            "showpools",
            "show 'pools'",
            "show \"pools",
            "begin",
            "SELECT 1 + 1",
        ];
        for statement in none {
            let expected = format!("invalid command '{statement}', use SHOW HELP;");
            check(statement, Err(&expected));
        }
        check(&format!("show {}", "x".repeat(64)), Err("bad arguments"));
        check("abcdefghijklmnop", Err("bad arguments"));
    }

    proptest! {
        /// Whatever comes, a statement is read or refused; and who writes a name in quotes gets that name.
        #[test]
        fn anything_can_come(text in ".{0,80}", name in "[^\"]{0,20}(\"\"[^\"]{0,5})?") {
            let _ = Command::read(&text);
            let quoted = format!("a \"{name}\"");
            let plain = name.replace("\"\"", "\"");
            prop_assert_eq!(words(&quoted), Some(Words::Plain("a".to_owned(), Some(plain))));
        }

        /// Case, blanks and the semicolon change nothing.
        #[test]
        fn dress_does_not_matter(at in 0..show::ALL.len(), upper in any::<bool>(), blanks in "[ \t\r\n]{1,3}", end in "[ \t]{0,2};?[ \n]{0,2}") {
            let (word, show) = show::ALL[at];
            let word = if upper { word.to_ascii_uppercase() } else { word.to_owned() };
            let statement = format!("{blanks}ShOw{blanks}{word}{end}");
            prop_assert_eq!(Command::read(&statement), Ok(Command::Show(show)));
        }
    }
}
