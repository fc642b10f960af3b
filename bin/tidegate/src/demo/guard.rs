use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads the numbers of processes until this process is gone, however it went; then ends the last one of them, and
/// removes the folder.
const SCRIPT: &str = r#"
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
    kill -INT "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
rm -rf -- "$1"
"#;

/// Sees to it that a demo that is killed leaves nothing behind. A machine without a shell goes without.
#[derive(Debug)]
pub(crate) struct Guard(Option<Child>);

impl Guard {
    /// Watches over this folder.
    pub(crate) fn over(folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "tidegate-demo-guard"]).arg(folder);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.process_group(0).spawn().ok())
    }

    /// From now on this is the process to end.
    pub(crate) fn watch(&self, process: &Child) {
        let input = self.0.as_ref().and_then(|guard| guard.stdin.as_ref());
        if let Some(mut input) = input {
            let _ = writeln!(input, "{}", process.id());
        }
    }
}

impl Drop for Guard {
    /// All is well: there is nothing left to do for it.
    fn drop(&mut self) {
        if let Some(mut guard) = self.0.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}
