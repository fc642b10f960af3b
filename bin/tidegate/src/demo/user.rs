use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Who runs PostgreSQL, which refuses to run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Nobody else unless this process is root; then `postgres`, or else `nobody`.
    pub(crate) fn needed() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let user = ["postgres", "nobody"].iter().find_map(|name| find(&accounts, name));
        user.map(Some)
            .context("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")
    }

    /// Runs the command as this user; the standard library drops the supplementary groups.
    pub(crate) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Makes a file or folder this user's.
    pub(crate) fn own(self, path: &Path) -> std::io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }
}

/// The numbers of an account, as `passwd(5)` has them.
fn find(accounts: &str, name: &str) -> Option<User> {
    let mut fields = accounts.lines().map(|line| line.split(':'));
    let mut account = fields.find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    let (_, uid, gid) = (account.next()?, account.next()?, account.next()?);
    Some(User {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/sbin/nologin\n";
        let user = find(accounts, "nobody").unwrap();
        assert_eq!((user.uid, user.gid), (65534, 65533));
        assert!(find(accounts, "postgres").is_none());
    }
}
