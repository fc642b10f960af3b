//! One initialised data folder per machine, user and version, copied for every server: `initdb`
//! takes a second or two, a copy a tenth of that.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Account, DATABASE, PASSWORD, SUPERUSER, SUPERUSER_PASSWORD, USER};
use crate::{Programs, files};

/// Raise it when what this file puts into the template changes.
const EDITION: u32 = 1;

pub(super) fn copy(programs: &Programs, account: Option<Account>, to: &Path) {
    let template = ready(programs, account);
    let copied = Command::new("cp").arg("-a").arg(&template).arg(to).output();
    check("cp", copied);
}

fn ready(programs: &Programs, account: Option<Account>) -> PathBuf {
    let version = check("postgres", programs.command("postgres").arg("-V").output());
    let version: String = version.chars().filter(char::is_ascii_digit).collect();
    let folder = files::shared("templates").join(format!("{version}-{EDITION}"));
    let lock = File::create(folder.with_extension("lock"));
    let lock = lock.unwrap_or_else(|e| panic!("cannot lock {}: {e}", folder.display()));
    lock.lock()
        .unwrap_or_else(|e| panic!("cannot lock {}: {e}", folder.display()));
    if !folder.exists() {
        make(programs, account, &folder);
    }
    folder
}

/// Builds aside and renames, so that an interrupted run leaves no half template.
fn make(programs: &Programs, account: Option<Account>, folder: &Path) {
    let work = files::temporary("template");
    let data = work.path().join("data");
    let password = work.path().join("password");
    files::write(&password, SUPERUSER_PASSWORD);
    account.inspect(|account| account.own(work.path()));

    let mut initdb = programs.command("initdb");
    initdb.arg("-D").arg(&data);
    initdb.args(["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    initdb.args(["--auth-local=scram-sha-256", "--auth-host=scram-sha-256"]);
    initdb.arg("--pwfile").arg(&password).current_dir(work.path());
    account.inspect(|account| account.apply(&mut initdb));
    check("initdb", initdb.output());

    let mut single = programs.command("postgres");
    single.args(["--single", "-D"]).arg(&data).arg("postgres");
    single.current_dir(work.path());
    account.inspect(|account| account.apply(&mut single));
    single
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = single.spawn().unwrap_or_else(|e| panic!("cannot start postgres: {e}"));
    let sql = format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'\nCREATE DATABASE {DATABASE} OWNER {USER}\n");
    if let Some(mut stdin) = child.stdin.take() {
        let _reported_below = stdin.write_all(sql.as_bytes());
    }
    let output = child.wait_with_output();
    let stderr = output
        .as_ref()
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
        .unwrap_or_default();
    assert!(!stderr.contains("ERROR"), "the template failed: {stderr}");
    check("postgres --single", output);
    // Across file systems a rename fails, so it goes through a copy beside the goal.
    let beside = folder.with_extension("new");
    let _old = fs::remove_dir_all(&beside);
    check("cp", Command::new("cp").arg("-a").arg(&data).arg(&beside).output());
    fs::rename(&beside, folder).unwrap_or_else(|e| panic!("cannot place {}: {e}", folder.display()));
}

fn check(name: &str, output: std::io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|e| panic!("cannot run {name}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {text}{errors}");
    text
}
