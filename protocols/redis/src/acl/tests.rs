//! The rules read and held, and held against real servers.

mod real;

use tidegate_redis_wire::request::{self, Command, Limits, Splitter, Step};
use tidegate_redis_wire::table;

use super::*;

/// What becomes of the command that these words are.
fn see<T>(words: &[impl AsRef<[u8]>], look: impl FnOnce(Option<&Row>, &Command<'_>) -> T) -> T {
    let mut bytes = Vec::new();
    request::command(&mut bytes, words);
    match Splitter::new(Limits::default(), false).next(&bytes) {
        Ok(Step::Command(command)) => look(table::resolve(&command).ok(), &command),
        other => panic!("{other:?}"),
    }
}

fn told(rules: &str, command: &str) -> String {
    let acl = Acl::parse(&[rules]).unwrap();
    let words: Vec<_> = command.split(' ').collect();
    see(&words, |row, command| acl.check(row, command)).map_or_else(|denial| denial.to_string(), |()| "OK".to_owned())
}

#[test]
fn errors_are_those_of_redis() {
    let none = "NOPERM this user has no permissions to";
    for (rules, command, expected) in [
        ("~* +@all -get", "GET a", format!("{none} run the 'get' command")),
        (
            "~* +config|get",
            "CONFIG SET a b",
            format!("{none} run the 'config|set' command"),
        ),
        ("~* +config|get", "CONFIG GET a", "OK".to_owned()),
        (
            "~a* +@all",
            "MGET a b",
            format!("{none} access one of the keys used as arguments"),
        ),
        (
            "&a* +@all",
            "PUBLISH b x",
            format!("{none} access one of the channels used as arguments"),
        ),
        (
            "~* +@all -flushall",
            "json.get a",
            format!("{none} access one of the channels used as arguments"),
        ),
        ("~* &* +@all -flushall", "json.get a", "OK".to_owned()),
        (
            "~* &* +@read",
            "json.get a",
            format!("{none} run the 'json.get' command"),
        ),
        ("~* &* +client", "CLIENT NOVEL", "OK".to_owned()),
        (
            "~* &* +client|id",
            "CLIENT NOVEL",
            format!("{none} run the 'CLIENT|NOVEL' command"),
        ),
        (
            "~a &* +object",
            "OBJECT NOVEL b",
            format!("{none} access one of the keys used as arguments"),
        ),
        ("", "HELLO 3", "OK".to_owned()),
        ("%R~* +@all", "SORT a BY w*", "OK".to_owned()),
        ("~a +@all", "SORT a BY nosort", "OK".to_owned()),
        (
            "~a +@all",
            "SORT a BY w*",
            "ERR BY option of SORT denied due to insufficient ACL permissions.".to_owned(),
        ),
        (
            "~a +@all",
            "SORT a LIMIT 0 1 GET #",
            "ERR GET option of SORT denied due to insufficient ACL permissions.".to_owned(),
        ),
        ("~a +sort (%R~* +sort)", "SORT a GET x", "OK".to_owned()),
        (
            "~a +@all",
            "XREADGROUP GROUP g c NOVEL 1 STREAMS b >",
            format!("{none} access one of the keys used as arguments"),
        ),
    ] {
        assert_eq!(told(rules, command), expected, "{rules} / {command}");
    }
}

#[test]
fn everything_is_everything() {
    assert!(Acl::everything().is_everything());
    for (rules, expected) in [
        ("allkeys allchannels allcommands", true),
        ("~* &* +@all", true),
        ("(~* &* +@all)", true),
        ("~* &* +@all -get +get", false),
        ("~* +@all", false),
        ("", false),
        ("%RW~* &* +@all", false),
    ] {
        assert_eq!(Acl::parse(&[rules]).unwrap().is_everything(), expected, "{rules}");
    }
}

#[test]
fn mistakes_say_what_to_do() {
    for (rules, expected) in [
        ("+gett", "there is no command `gett`; did you mean `get`?"),
        ("+config|gte", "`config` has no subcommand `gte`; did you mean `get`?"),
        (
            "-@dangerus",
            "there is no category `@dangerus`; did you mean `@dangerous`?",
        ),
        ("get", "`get` is no access rule; did you mean `+get`?"),
        ("read", "`read` is no access rule; did you mean `+@read`?"),
        ("alkeys", "`alkeys` is no access rule; did you mean `allkeys`?"),
        (
            ">secret",
            "a password is no permission: write it as `password` or `passwords` beside `rules`",
        ),
        ("%X~a", "`%X~a`: expected `%R~`, `%W~` or `%RW~`"),
        ("%R", "`%R` names no keys: `~` and a pattern must follow"),
        (
            "~* ~a",
            "`~a` adds keys to all keys; write `resetkeys` before it, or leave it out",
        ),
        ("(~a", "a selector begins with `(` and does not end with `)`"),
        ("+select|", "`+select|`: one argument must follow `|`"),
    ] {
        let mistake = Acl::parse(&["+get", rules]).unwrap_err();
        assert_eq!((mistake.at, mistake.message.as_str()), (1, expected));
    }
    let message = Acl::parse(&["-select|0"]).unwrap_err().message;
    assert!(message.contains("write `-select`"), "{message}");
}
