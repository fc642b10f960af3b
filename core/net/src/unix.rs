use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where groups stand.
const GROUPS: &str = "/etc/group";
/// The permissions that a file can have.
const MOST_MODE: u32 = 0o777;

/// The file of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnixSocket {
    /// Its permissions in octal digits, as `"0770"`; those that the umask leaves when absent. To connect is to write.
    pub mode: Option<FileMode>,
    /// Its group: a name of `/etc/group`, or a number; the process's own when absent.
    pub group: Option<String>,
}

/// Permissions of a file, written in octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileMode(u32);

/// A text that is no [`FileMode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`: permissions in octal digits are expected, as \"0770\"")]
pub struct FileModeError(String);

impl UnixSocket {
    /// The number of the group, where one is given; `Err` when there is no such group.
    pub fn group_id(&self) -> io::Result<Option<u32>> {
        let Some(group) = &self.group else { return Ok(None) };
        if let Ok(number) = group.parse() {
            return Ok(Some(number));
        }
        match find_group(&std::fs::read_to_string(GROUPS)?, group) {
            Some(number) => Ok(Some(number)),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no group `{group}` in {GROUPS}"),
            )),
        }
    }
}

/// A line of it is `name:password:number:members`.
fn find_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

impl FileMode {
    /// As the system takes it.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = FileModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
        bits.filter(|bits| *bits <= MOST_MODE)
            .map(Self)
            .ok_or_else(|| FileModeError(text.to_owned()))
    }
}

impl TryFrom<String> for FileMode {
    type Error = FileModeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FileMode> for String {
    fn from(mode: FileMode) -> Self {
        format!("{:04o}", mode.0)
    }
}

impl JsonSchema for FileMode {
    fn schema_name() -> Cow<'static, str> {
        "FileMode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^0?[0-7]{3}$" })
    }
}

/// A Unix socket's address as the system has it: a name of the abstract namespace begins with a null byte there, and with
/// `@` everywhere else.
pub(crate) fn socket_path(path: &Path) -> Cow<'_, Path> {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => Cow::Owned(PathBuf::from(OsString::from_vec([&[0], name].concat()))),
        _ => Cow::Borrowed(path),
    }
}

/// Whether it is a name of the abstract namespace, so that there is no file.
pub(crate) fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().starts_with(b"@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (text, bits) in [("0777", 0o777), ("600", 0o600), ("0000", 0)] {
            assert_eq!(text.parse::<FileMode>().unwrap().bits(), bits);
        }
        assert_eq!(String::from("770".parse::<FileMode>().unwrap()), "0770");
        for text in ["", "7", "0o77", "0778", "1777", "+777", "07777", "rwx"] {
            assert!(text.parse::<FileMode>().is_err(), "{text}");
        }
    }

    #[test]
    fn groups() {
        let groups = "root:x:0:\nbroken\npostgres:x:104:one,two\n";
        assert_eq!(find_group(groups, "postgres"), Some(104));
        assert_eq!(find_group(groups, "root"), Some(0));
        assert_eq!(find_group(groups, "broken"), None);
        assert_eq!(find_group(groups, "one"), None);
        let socket = |group: &str| UnixSocket {
            group: Some(group.to_owned()),
            mode: None,
        };
        assert_eq!(socket("12345").group_id().unwrap(), Some(12345));
        assert!(socket("no such group").group_id().is_err());
        assert_eq!(UnixSocket::default().group_id().unwrap(), None);
    }

    #[test]
    fn names_of_the_abstract_namespace() {
        assert_eq!(socket_path(Path::new("/run/x")), Path::new("/run/x"));
        assert_eq!(socket_path(Path::new("@a/b")).as_os_str().as_bytes(), b"\0a/b");
        assert!(is_abstract(Path::new("@a")) && !is_abstract(Path::new("/@a")));
    }
}
