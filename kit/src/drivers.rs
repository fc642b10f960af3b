use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Target, files, programs, wait_until};

/// How long one driver's suite may take before it counts as hung.
const LIMIT: Duration = Duration::from_mins(2);

/// The drivers that `make setup` has installed, and the programs in `kit/drivers` that use them.
///
/// A driver that is missing fails the test that needs it. `TIDEGATE_SKIP_DRIVERS=1` is the
/// explicit way out, for a machine that can not have them.
#[derive(Debug)]
pub struct Drivers {
    installed: PathBuf,
    sources: PathBuf,
}

impl Drivers {
    /// Those of this repository: `TIDEGATE_DRIVERS` or `.build/drivers`.
    pub fn find() -> Self {
        let named = std::env::var_os("TIDEGATE_DRIVERS").map(PathBuf::from);
        Self {
            installed: named.unwrap_or_else(|| files::repository().join(".build/drivers")),
            sources: files::repository().join("kit/drivers"),
        }
    }

    /// Whether the environment says to leave drivers out.
    pub fn skipped() -> bool {
        std::env::var_os("TIDEGATE_SKIP_DRIVERS").is_some_and(|value| value == "1")
    }

    /// A Python program of `kit/drivers/python`.
    pub fn python(&self, program: &str) -> Command {
        let python = self.installed.join("python/bin/python");
        require(&python, "Python's drivers");
        let mut command = programs::clean(python);
        command.arg(self.sources.join("python").join(program));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// A Prometheus exporter that was made for `PgBouncer`, with its own configuration.
    pub fn exporter(config: &Path) -> Command {
        let installed = files::repository().join(".build/exporter");
        let program = installed.join("bin/pgbouncer-exporter");
        require(&program, "the exporter for PgBouncer");
        let mut command = programs::clean(program);
        command.arg("--config").arg(config);
        command
    }

    /// A Node program of `kit/drivers/node`.
    pub fn node(&self, program: &str) -> Command {
        let modules = self.installed.join("node/node_modules");
        require(&modules, "Node's drivers");
        let mut command = programs::clean("node");
        command.arg(self.sources.join("node").join(program));
        command.env("NODE_PATH", modules);
        command
    }

    /// A Java program of `kit/drivers/java`, with pgjdbc.
    pub fn java(&self, program: &str) -> Command {
        let driver = Path::new("/usr/share/java/postgresql.jar");
        let jar = std::env::var_os("PGJDBC_JAR").map_or_else(|| driver.to_path_buf(), PathBuf::from);
        require(&jar, "pgjdbc (Debian: libpostgresql-jdbc-java)");
        let mut command = programs::clean("java");
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
        command.arg(jar).arg(self.sources.join("java").join(program));
        command
    }

    /// A Java program of `kit/drivers/java`, or of an absolute path, with Jedis and lettuce.
    pub fn java_redis(&self, program: &str) -> Command {
        let jars = self.installed.join("java");
        require(&jars, "Java's drivers");
        let mut command = Command::new("java");
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
        command.arg(jars.join("*")).arg(self.sources.join("java").join(program));
        command
    }

    /// The Go program of `kit/drivers/go`, compiled, and the folder that it is in; none where `make setup` found no Go.
    pub fn go(&self) -> Option<(Command, TempDir)> {
        let installed = self.installed.join("go");
        require(&self.installed.join("java"), "drivers");
        if !installed.exists() {
            return None;
        }
        let folder = files::temporary("go");
        let program = folder.path().join("suite");
        let mut build = Command::new("go");
        build.arg("build").arg("-o").arg(&program).arg(".");
        build
            .current_dir(self.sources.join("go"))
            .env("GOMODCACHE", installed.join("modules"))
            .env("GOCACHE", installed.join("cache"))
            .env("GOFLAGS", "-modcacherw")
            .env("GOTOOLCHAIN", "local")
            .env("GOPROXY", "off");
        let output = finish(build, LIMIT);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cannot compile kit/drivers/go:\n{errors}");
        Some((Command::new(program), folder))
    }
}

/// Runs a command of [`Drivers`] against a target; fails unless it ends well and every check it
/// names was seen.
#[track_caller]
pub(crate) fn run(mut command: Command, target: &Target, checks: &[&str]) {
    target.apply(&mut command);
    run_while(command, checks, || ());
}

/// The same, for a command that knows its target; `meanwhile` is done again and again as long as it runs.
#[track_caller]
pub(crate) fn run_while(command: Command, checks: &[impl AsRef<str>], meanwhile: impl FnMut()) {
    let output = finish_while(command, LIMIT, meanwhile);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    for check in checks {
        let line = format!("ok {}", check.as_ref());
        assert!(text.lines().any(|l| l == line), "no line `{line}` in:\n{text}");
    }
}

/// Runs a command to its end with its output captured, and kills it when it takes too long.
#[track_caller]
pub(crate) fn finish(command: Command, limit: Duration) -> Output {
    finish_while(command, limit, || ())
}

fn finish_while(mut command: Command, limit: Duration, mut meanwhile: impl FnMut()) -> Output {
    // Files, not pipes: a full pipe would stop a program that is only waited for.
    let folder = files::temporary("run");
    let file = |name: &str| {
        let file = std::fs::File::create(folder.path().join(name));
        file.unwrap_or_else(|e| panic!("cannot write {name}: {e}"))
    };
    command.stdout(file("stdout")).stderr(file("stderr"));
    command.stdin(Stdio::null());
    let start = Instant::now();
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let mut status = None;
    wait_until(limit, || {
        meanwhile();
        status = child.try_wait().ok().flatten();
        status.is_some()
    });
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap_or_default();
    let (stdout, stderr) = (read("stdout"), read("stderr"));
    let Some(status) = status else {
        let _gone = child.kill();
        let _gone = child.wait();
        let (text, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        panic!("{command:?} still ran after {:?}:\n{text}\n{errors}", start.elapsed());
    };
    Output { status, stdout, stderr }
}

#[track_caller]
fn require(path: &Path, what: &str) {
    assert!(
        path.exists(),
        "{what} are missing ({}): run `make setup`, or set TIDEGATE_SKIP_DRIVERS=1 to leave the \
         driver suites out",
        path.display()
    );
}
