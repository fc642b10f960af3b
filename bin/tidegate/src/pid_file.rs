use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

/// A file with the process's number, for as long as it lives.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Makes it. `Err` when it names a process that lives, or none at all; one that a process left that is gone is removed.
    /// Nothing is ever written into a file that was there, nor through a link.
    pub(crate) fn write(path: &Path) -> io::Result<Self> {
        let wrong = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let told = match number(&text) {
                    None => Some("it holds no process's number; remove it if it is nothing else".to_owned()),
                    Some(other) => lives(other).then(|| {
                        format!(
                            "process {} is running; end it, or remove the file",
                            other.as_raw_nonzero()
                        )
                    }),
                };
                if let Some(text) = told {
                    return Err(wrong(io::Error::new(io::ErrorKind::AlreadyExists, text)));
                }
                std::fs::remove_file(path).map_err(wrong)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(error)),
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|mut file| file.write_all(own().as_bytes()))
            .map_err(wrong)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    /// One that another process has written meanwhile is left to it.
    fn drop(&mut self) {
        if std::fs::read_to_string(&self.0).is_ok_and(|text| text == own()) {
            let _gone = std::fs::remove_file(&self.0);
        }
    }
}

fn own() -> String {
    format!("{}\n", getpid().as_raw_nonzero())
}

/// The process that a file names.
fn number(text: &str) -> Option<Pid> {
    let number = text.trim().parse().ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw)
}

/// Whether it lives and is not this one, which may have the number again that it had before.
fn lives(pid: Pid) -> bool {
    pid != getpid() && !matches!(test_kill_process(pid), Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_while_its_process_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        for before in [None, Some(own()), Some("4194305\n".to_owned())] {
            if let Some(before) = &before {
                std::fs::write(&path, before).expect("write");
            }
            let file = PidFile::write(&path).expect("a pid file");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), own());
            drop(file);
            assert!(!path.exists(), "{before:?}");
        }
        // Number 1 always lives.
        std::fs::write(&path, "1\n").expect("write");
        let error = PidFile::write(&path).expect_err("it lives");
        assert!(error.to_string().contains("process 1 is running"), "{error}");
        assert!(path.exists());
        std::fs::remove_file(&path).expect("remove");
        let file = PidFile::write(&path).expect("a pid file");
        std::fs::write(&path, "7\n").expect("write");
        drop(file);
        assert!(path.exists(), "it is another's");
        assert!(PidFile::write(&folder.path().join("none/pid")).is_err());
    }

    #[test]
    fn what_is_no_pid_file_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("pid"), folder.path().join("other"));
        for text in ["host all all 127.0.0.1/32 trust\n", "", "0\n", "-1\n", "7 8\n"] {
            std::fs::write(&path, text).expect("write");
            let error = PidFile::write(&path).expect_err("something else");
            assert!(error.to_string().contains("no process's number"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
        // A link is not followed: neither where it leads nowhere, nor to a file that is stale.
        std::fs::remove_file(&path).expect("remove");
        std::os::unix::fs::symlink(&other, &path).expect("a link");
        PidFile::write(&path).expect_err("a link to nowhere");
        assert!(!other.exists());
        std::fs::write(&other, "4194305\n").expect("write");
        let file = PidFile::write(&path).expect("a pid file");
        assert_eq!(std::fs::read_to_string(&other).expect("read"), "4194305\n");
        assert!(!path.is_symlink());
        drop(file);
    }
}
