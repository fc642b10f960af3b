use tidegate_config::nearest;
use tidegate_redis_wire::table::{self, Categories, Row};

use super::keys::Permissions;
use super::selector::Selector;

/// The most selectors of one user. Every denied command is held against all of them.
const MOST_SELECTORS: usize = 64;

/// A rule that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AclMistake {
    /// In which of the texts.
    pub(crate) at: usize,
    /// What is wrong, and what to do. It says no password.
    pub(crate) message: String,
}

/// Reads rules, one after the other: the user's own permissions, then its selectors (`acl.c`, `ACLSetUser`).
pub(super) fn parse<T: AsRef<str>>(rules: &[T]) -> Result<Vec<Selector>, AclMistake> {
    let mut selectors = vec![Selector::default()];
    for (at, rules) in rules.iter().enumerate() {
        let fail = |message| AclMistake { at, message };
        let mut words = rules.as_ref().split_ascii_whitespace();
        while let Some(word) = words.next() {
            if word.starts_with('(') {
                if selectors.len() > MOST_SELECTORS {
                    return Err(fail(format!("more than {MOST_SELECTORS} selectors")));
                }
                selectors.push(parenthesised(word, &mut words).map_err(fail)?);
                continue;
            }
            match word.to_ascii_lowercase().as_str() {
                "clearselectors" => selectors.truncate(1),
                "reset" => selectors = vec![Selector::default()],
                _ => {
                    if let Some(root) = selectors.first_mut() {
                        apply(root, word).map_err(fail)?;
                    }
                }
            }
        }
    }
    Ok(selectors)
}

/// `( … )`, which goes on to the word that ends in its parenthesis (`acl.c`, `ACLMergeSelectorArguments`).
fn parenthesised<'w>(first: &'w str, words: &mut impl Iterator<Item = &'w str>) -> Result<Selector, String> {
    let mut selector = Selector::default();
    let mut word = first.strip_prefix('(').unwrap_or(first);
    loop {
        let (inner, is_last) = match word.strip_suffix(')') {
            Some(inner) => (inner, true),
            None => (word, false),
        };
        if !inner.is_empty() {
            apply(&mut selector, inner)?;
        }
        if is_last {
            return Ok(selector);
        }
        word = words
            .next()
            .ok_or("a selector begins with `(` and does not end with `)`")?;
    }
}

/// One rule (`acl.c`, `ACLSetSelector`).
fn apply(to: &mut Selector, rule: &str) -> Result<(), String> {
    match rule.to_ascii_lowercase().as_str() {
        "allkeys" | "~*" => to.set_all_keys(true),
        "resetkeys" => to.set_all_keys(false),
        "allchannels" | "&*" => to.set_all_channels(true),
        "resetchannels" => to.set_all_channels(false),
        "allcommands" | "+@all" => to.commands.set_all(true),
        "nocommands" | "-@all" => to.commands.set_all(false),
        _ => match rule.split_at_checked(1) {
            Some(("~" | "%", _)) => key_pattern(to, rule)?,
            Some(("&", pattern)) => {
                if to.all_channels {
                    let message = "adds channels to all channels; write `resetchannels` before it, or leave it out";
                    return Err(format!("`{rule}` {message}"));
                }
                to.add_channels(pattern);
            }
            Some(("+", named)) => command(to, rule, named, true)?,
            Some(("-", named)) => command(to, rule, named, false)?,
            _ => return Err(no_rule(rule)),
        },
    }
    Ok(())
}

/// `~pattern`, `%R~pattern`, `%W~pattern`, `%RW~pattern`.
fn key_pattern(to: &mut Selector, rule: &str) -> Result<(), String> {
    let (letters, pattern) = match rule.strip_prefix('%') {
        Some(rest) => rest
            .split_once('~')
            .ok_or_else(|| format!("`{rule}` names no keys: `~` and a pattern must follow"))?,
        None => ("RW", rule.strip_prefix('~').unwrap_or(rule)),
    };
    let permissions = match letters.to_ascii_uppercase().as_str() {
        "RW" | "WR" => Permissions::ALL,
        "R" => Permissions {
            read: true,
            write: false,
        },
        "W" => Permissions {
            read: false,
            write: true,
        },
        _ => return Err(format!("`{rule}`: expected `%R~`, `%W~` or `%RW~`")),
    };
    if to.all_keys {
        let message = "adds keys to all keys; write `resetkeys` before it, or leave it out";
        return Err(format!("`{rule}` {message}"));
    }
    to.add_keys(pattern, permissions);
    Ok(())
}

/// What stands behind `+` or `-`.
fn command(to: &mut Selector, rule: &str, named: &str, allow: bool) -> Result<(), String> {
    if let Some(category) = named.strip_prefix('@') {
        let lower = format!("@{}", category.to_ascii_lowercase());
        let found = Categories::by_word(lower.as_bytes()).ok_or_else(|| {
            let words = Categories::WORDS.iter().map(|(word, _)| *word);
            format!("there is no category `@{category}`{}", did_you_mean(&lower, words))
        })?;
        to.commands.set_category(found, allow);
        return Ok(());
    }
    let (name, word) = match named.split_once('|') {
        Some((name, word)) => (name, Some(word)),
        None => (named, None),
    };
    let row = table::find(name.as_bytes()).ok_or_else(|| {
        let known = table::commands().iter().map(|row| row.name);
        format!("there is no command `{name}`{}", did_you_mean(name, known))
    })?;
    let Some(word) = word else {
        to.commands.set(row, allow);
        return Ok(());
    };
    if row.subcommands.is_empty() {
        return first_argument(to, rule, row, word, allow);
    }
    let mut subcommands = row.subcommands.iter();
    let found = subcommands.find(|row| row.word().eq_ignore_ascii_case(word));
    let subcommand = found.ok_or_else(|| {
        let words = row.subcommands.iter().map(Row::word);
        let near = did_you_mean(word, words);
        format!("`{}` has no subcommand `{word}`{near}", row.name)
    })?;
    to.commands.set(subcommand, allow);
    Ok(())
}

/// `+select|0`: a command without subcommands, with one first argument. Redis calls it a misuse, and takes it.
fn first_argument(to: &mut Selector, rule: &str, row: &Row, word: &str, allow: bool) -> Result<(), String> {
    if !allow {
        let name = row.name;
        return Err(format!(
            "`{rule}`: `{name}` has no subcommands, and a first argument can only be allowed; write `-{name}` and the \
             arguments that are allowed as `+{name}|…`"
        ));
    }
    if word.is_empty() || word.contains('|') {
        return Err(format!("`{rule}`: one argument must follow `|`"));
    }
    tracing::warn!(
        rule,
        "an access rule for a command's first argument: Redis has deprecated these"
    );
    to.commands.allow_first(row, word.as_bytes());
    Ok(())
}

/// What is wrong with a word that is no permission; passwords are not repeated.
fn no_rule(rule: &str) -> String {
    const WORDS: [&str; 8] = [
        "allkeys",
        "resetkeys",
        "allchannels",
        "resetchannels",
        "allcommands",
        "nocommands",
        "clearselectors",
        "reset",
    ];
    let lower = rule.to_ascii_lowercase();
    match lower.as_str() {
        "on" | "off" => return format!("`{rule}` is no permission: write `enabled: true` or `false` beside `rules`"),
        "nopass" | "resetpass" => return format!("`{rule}` is no permission: write `nopass: true` beside `rules`"),
        "sanitize-payload" | "skip-sanitize-payload" => {
            return format!("`{rule}` is the server's to know: it holds for the user that the gateway is there");
        }
        _ => {}
    }
    if rule.starts_with(['>', '#', '<', '!']) {
        return "a password is no permission: write it as `password` or `passwords` beside `rules`".to_owned();
    }
    let command = table::find(rule.as_bytes()).map(|_| format!("; did you mean `+{rule}`?"));
    let category = Categories::by_word(format!("@{lower}").as_bytes());
    let signed = command.or_else(|| category.map(|_| format!("; did you mean `+@{rule}`?")));
    let near = signed.unwrap_or_else(|| did_you_mean(&lower, WORDS.into_iter()));
    format!("`{rule}` is no access rule{near}")
}

fn did_you_mean<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
