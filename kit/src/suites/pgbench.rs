use std::process::Command;
use std::time::Duration;

use crate::drivers::finish;
use crate::{Programs, Target, files};

/// pgbench: the TPC-B script in each protocol, a connection per transaction, and pipelines; the
/// books must balance at the end.
#[track_caller]
pub fn pgbench(target: &Target) {
    let _rows = run(target, &["-i", "-s", "2", "-q"], None);
    for protocol in ["simple", "extended", "prepared"] {
        transactions(target, &["-M", protocol, "-n", "-c", "8", "-j", "2", "-t", "50"], 400);
        transactions(target, &["-M", protocol, "-n", "-C", "-c", "4", "-t", "5"], 20);
    }
    for protocol in ["extended", "prepared"] {
        pipeline(target, protocol);
    }
    balances(target);
}

fn transactions(target: &Target, options: &[&str], count: u32) {
    let text = run(target, options, None);
    processed(&text, count);
}

/// A pipeline with writes, and one that spans an explicit transaction.
fn pipeline(target: &Target, protocol: &str) {
    let script = "\\set aid random(1, 200000)\n\\set delta random(-5, 5)\n\
         \\startpipeline\nBEGIN;\n\
         UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;\n\
         UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = 1;\n\
         UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = 1;\n\
         INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)\n\
           VALUES (1, 1, :aid, :delta, CURRENT_TIMESTAMP);\nEND;\n\\endpipeline\n\
         \\startpipeline\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\nSELECT :delta;\n\
         SELECT 1;\n\\endpipeline\n";
    let text = run(
        target,
        &["-M", protocol, "-n", "-c", "8", "-j", "2", "-t", "30"],
        Some(script),
    );
    processed(&text, 240);
}

#[track_caller]
fn processed(text: &str, count: u32) {
    let done = format!("number of transactions actually processed: {count}/{count}");
    assert!(text.contains(&done), "{text}");
    assert!(text.contains("number of failed transactions: 0 "), "{text}");
}

#[track_caller]
fn run(target: &Target, options: &[&str], script: Option<&str>) -> String {
    let folder = files::temporary("pgbench");
    let mut command = Programs::find().command("pgbench");
    target.apply(&mut command);
    command.args(options);
    if let Some(script) = script {
        let path = folder.path().join("script.sql");
        files::write(&path, script);
        command.arg("-f").arg(path);
    }
    succeeded(command)
}

#[track_caller]
fn succeeded(command: Command) -> String {
    let line = format!("{command:?}");
    let output = finish(command, Duration::from_mins(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\n{text}\n{errors}");
    text
}

#[track_caller]
fn balances(target: &Target) {
    let mut command = Programs::find().command("psql");
    target.apply(&mut command);
    command.args(["-XAtc"]).arg(
        "SELECT count(DISTINCT total) FROM (\
         SELECT sum(abalance) FROM pgbench_accounts UNION ALL \
         SELECT sum(tbalance) FROM pgbench_tellers UNION ALL \
         SELECT sum(bbalance) FROM pgbench_branches UNION ALL \
         SELECT sum(delta) FROM pgbench_history) AS books (total)",
    );
    assert_eq!(succeeded(command), "1\n", "the sums of the four tables differ");
}
