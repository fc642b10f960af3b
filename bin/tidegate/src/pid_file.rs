use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

/// A file with the process's number, for as long as it lives.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it. `Err` when it names a process that lives; what a process left that is gone is written over.
    pub(crate) fn write(path: &Path) -> io::Result<Self> {
        let wrong = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        match std::fs::read_to_string(path) {
            Ok(text) => {
                if let Some(other) = living(&text) {
                    let text = format!("process {other} is running; end it, or remove the file");
                    return Err(wrong(io::Error::new(io::ErrorKind::AlreadyExists, text)));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(error)),
        }
        std::fs::write(path, own()).map_err(wrong)?;
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

/// The process that a file names, if it lives and is not this one, which may have the number again that it had before.
fn living(text: &str) -> Option<i32> {
    let number = text.trim().parse().ok().filter(|number| *number > 0)?;
    let pid = Pid::from_raw(number).filter(|pid| *pid != getpid())?;
    let lives = !matches!(test_kill_process(pid), Err(Errno::SRCH));
    lives.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_while_its_process_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        for before in [
            None,
            Some(own()),
            Some("4194305\n".to_owned()),
            Some("no number".to_owned()),
        ] {
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
}
