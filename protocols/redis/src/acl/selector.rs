use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::{self, Row};

use super::Denial;
use super::commands::Commands;
use super::glob;
use super::keys::{self, Permissions};

/// A set of permissions that hold together: the user's own, or those of a `( … )`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Selector {
    pub(super) commands: Commands,
    pub(super) all_keys: bool,
    pub(super) all_channels: bool,
    keys: Vec<(Box<[u8]>, Permissions)>,
    channels: Vec<Box<[u8]>>,
}

impl Selector {
    pub(super) fn is_everything(&self) -> bool {
        self.commands.is_all && self.all_keys && self.all_channels
    }

    pub(super) fn set_all_keys(&mut self, allow: bool) {
        self.all_keys = allow;
        self.keys.clear();
    }

    pub(super) fn set_all_channels(&mut self, allow: bool) {
        self.all_channels = allow;
        self.channels.clear();
    }

    /// Permissions for the same pattern add up.
    pub(super) fn add_keys(&mut self, pattern: &str, more: Permissions) {
        match self.keys.iter_mut().find(|(known, _)| **known == *pattern.as_bytes()) {
            Some((_, permissions)) => {
                permissions.read |= more.read;
                permissions.write |= more.write;
            }
            None => self.keys.push((pattern.as_bytes().into(), more)),
        }
    }

    pub(super) fn add_channels(&mut self, pattern: &str) {
        if !self.channels.iter().any(|known| **known == *pattern.as_bytes()) {
            self.channels.push(pattern.as_bytes().into());
        }
    }

    /// Whether a command may be sent (`acl.c`, `ACLSelectorCheckCmd`).
    pub(super) fn check(&self, row: Option<&Row>, command: &Command<'_>) -> Result<(), Denial> {
        let Some(row) = row else {
            return self.check_unknown(command);
        };
        if !self.commands.allow(row, command) {
            return Err(Denial::Command(row.name.into()));
        }
        if !self.all_keys && keys::has_keys(row) {
            match keys::first_denied(row, command, |key, needed| self.allows_key(key, needed)) {
                Ok(None) => {}
                Ok(Some(at)) => return Err(Denial::Key(at)),
                // Redis lets such a command through, since it will itself find the mistake. A newer server may see none.
                Err(_) => return Err(Denial::Key(0)),
            }
        }
        if !self.all_channels
            && let Some((places, is_pattern)) = keys::channels(row, command)
        {
            let channels = command.arguments_from(places.start).zip(places);
            for (channel, at) in channels {
                if !self.allows_channel(channel, is_pattern) {
                    return Err(Denial::Channel(at));
                }
            }
        }
        Ok(())
    }

    /// Nobody knows what a command of a module or a newer server's subcommand touches, so it takes all permissions.
    fn check_unknown(&self, command: &Command<'_>) -> Result<(), Denial> {
        let container = table::find(command.name());
        let is_allowed = match container {
            Some(container) => self.commands.allow(container, command),
            None => self.commands.has_unknown,
        };
        if !is_allowed {
            let words = command.arguments().take(1 + usize::from(container.is_some()));
            let words: Vec<_> = words.map(|word| word.get(..MOST_OF_NAME).unwrap_or(word)).collect();
            return Err(Denial::Command(String::from_utf8_lossy(&words.join(&b'|')).into()));
        }
        match (self.all_keys, self.all_channels) {
            (false, _) => Err(Denial::Key(0)),
            (true, false) => Err(Denial::Channel(0)),
            (true, true) => Ok(()),
        }
    }

    /// Whether it may read every key there is.
    pub(super) fn reads_all_keys(&self) -> bool {
        let mut keys = self.keys.iter();
        self.all_keys || keys.any(|(pattern, permissions)| permissions.read && **pattern == *b"*")
    }

    fn allows_key(&self, key: &[u8], needed: Permissions) -> bool {
        let mut patterns = self.keys.iter();
        patterns.any(|(pattern, permissions)| permissions.include(needed) && glob::matches(pattern, key))
    }

    /// A pattern that a client subscribes to must be among those of the rules as it is.
    fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.channels.iter().any(|pattern| {
            if is_pattern {
                **pattern == *channel
            } else {
                glob::matches(pattern, channel)
            }
        })
    }
}

/// As much of a stranger's command's name as an error says (`server.c`, `commandCheckExistence`).
const MOST_OF_NAME: usize = 128;
