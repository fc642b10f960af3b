use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::drivers::finish;
use crate::{Proc, Programs, Target, eventually, files};

/// psql: scripts with `\copy` both ways, `\gdesc`, errors, several statements in one
/// message, cursors, and a query cancelled by SIGINT within one second.
#[track_caller]
pub fn psql(target: &Target) {
    copies(target);
    describes(target);
    goes_on_after_errors(target);
    several_statements(target);
    keeps_transactions(target);
    cancels(target);
}

struct Shown {
    text: String,
    errors: String,
    code: Option<i32>,
}

#[track_caller]
fn script(target: &Target, lines: &str, options: &[&str]) -> Shown {
    let folder = files::temporary("psql");
    let path = folder.path().join("script.sql");
    files::write(&path, lines);
    let mut command = Programs::find().command("psql");
    target.apply(&mut command);
    command.current_dir(folder.path());
    command
        .args(["-X", "-A", "-t", "-q"])
        .args(options)
        .arg("-f")
        .arg(&path);
    let output = finish(command, Duration::from_secs(30));
    Shown {
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

#[track_caller]
fn check(target: &Target, lines: &str, want: &str) {
    let shown = script(target, lines, &["-v", "ON_ERROR_STOP=1"]);
    assert_eq!(shown.code, Some(0), "{lines}\n{}", shown.errors);
    assert_eq!(shown.text, want, "{lines}\n{}", shown.errors);
}

fn copies(target: &Target) {
    let lines = "DROP TABLE IF EXISTS psql_copy;\n\
         CREATE TABLE psql_copy (id int PRIMARY KEY, word text);\n\
         INSERT INTO psql_copy SELECT n, repeat('x', n % 50) FROM generate_series(1, 20000) n;\n\
         \\copy psql_copy TO 'rows.tsv'\n\
         TRUNCATE psql_copy;\n\
         \\copy psql_copy FROM 'rows.tsv'\n\
         SELECT count(*), sum(length(word)) FROM psql_copy;\n\
         COPY (SELECT 1, 'one') TO STDOUT (FORMAT csv);\n\
         COPY psql_copy FROM STDIN (FORMAT csv);\n\
         20001,inline\n\
         \\.\n\
         SELECT word FROM psql_copy WHERE id = 20001;\n\
         DROP TABLE psql_copy;\n";
    check(target, lines, "20000|490000\n1,one\ninline\n");
    let broken = "CREATE TABLE psql_broken (id int);\n\
         COPY psql_broken FROM STDIN;\n1\nnot a number\n\\.\n\
         SELECT 'rows', count(*) FROM psql_broken;\n\
         DROP TABLE psql_broken;\n";
    let shown = script(target, broken, &[]);
    assert!(
        shown.errors.contains("invalid input syntax for type integer"),
        "{}",
        shown.errors
    );
    assert_eq!(shown.text, "rows|0\n");
}

fn describes(target: &Target) {
    check(
        target,
        "SELECT 1 AS number, 'x'::text AS word, now() AS moment \\gdesc\n",
        "number|integer\nword|text\nmoment|timestamp with time zone\n",
    );
    check(
        target,
        "SELECT 6 * 7 AS answer \\gset\nSELECT :answer;\n\
         SELECT format('SELECT %s', n) FROM generate_series(1, 3) n \\gexec\n",
        "42\n1\n2\n3\n",
    );
}

fn goes_on_after_errors(target: &Target) {
    let lines = "SELECT 1/0;\nSELECT nothing;\nSELECT 'alive';\n\\echo :LAST_ERROR_SQLSTATE\n";
    let shown = script(target, lines, &[]);
    assert_eq!(shown.text, "alive\n42703\n");
    assert!(shown.errors.contains("division by zero"), "{}", shown.errors);
    let stopped = script(target, lines, &["-v", "ON_ERROR_STOP=1"]);
    assert_eq!((stopped.text.as_str(), stopped.code), ("", Some(3)));
}

fn several_statements(target: &Target) {
    check(target, "SELECT 1\\; SELECT 2\\; SELECT 3;\n", "1\n2\n3\n");
    // An error undoes the statements of its message (PostgreSQL protocol 55.2.2.1).
    let lines = "DROP TABLE IF EXISTS psql_multi;\nCREATE TABLE psql_multi (id int);\n\
         INSERT INTO psql_multi VALUES (1)\\; SELECT 1/0\\; INSERT INTO psql_multi VALUES (2);\n\
         SELECT 'rows', count(*) FROM psql_multi;\nDROP TABLE psql_multi;\n";
    let shown = script(target, lines, &[]);
    assert_eq!(shown.text, "rows|0\n", "{}", shown.errors);
}

fn keeps_transactions(target: &Target) {
    check(
        target,
        "BEGIN;\nDECLARE numbers CURSOR FOR SELECT generate_series(1, 1000);\n\
         FETCH 2 FROM numbers;\nMOVE 995 FROM numbers;\nFETCH ALL FROM numbers;\nCOMMIT;\n",
        "1\n2\n998\n999\n1000\n",
    );
    check(
        target,
        "BEGIN;\nCREATE TABLE psql_undone (id int);\nSAVEPOINT a;\n\
         INSERT INTO psql_undone VALUES (1);\nROLLBACK TO a;\nSELECT count(*) FROM psql_undone;\n\
         ROLLBACK;\nSELECT to_regclass('psql_undone') IS NULL;\n",
        "0\nt\n",
    );
    check(
        target,
        "SET application_name = 'psql suite';\nSELECT 1;\nSHOW application_name;\n",
        "1\npsql suite\n",
    );
}

/// Ctrl-C in psql (CON-12).
fn cancels(target: &Target) {
    let mut command = Programs::find().command("psql");
    target.apply(&mut command);
    command.args(["-XAtc", "SELECT 'psql-suite-cancel', pg_sleep(60)"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|e| panic!("cannot start psql: {e}"));
    let process = Proc::new(child.id());
    eventually("psql's query runs", || {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
             AND query LIKE '%psql-suite-cancel%' AND pid <> pg_backend_pid();";
        script(target, running, &[]).text == "1\n"
    });
    let start = Instant::now();
    process.signal(Signal::INT);
    let output = child.wait_with_output();
    let output = output.unwrap_or_else(|e| panic!("psql: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("canceling statement due to user request"), "{errors}");
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "cancelled after {:?}",
        start.elapsed()
    );
}
