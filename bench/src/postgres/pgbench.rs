//! One run of pgbench through one peer.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_kit::{Proc, Programs, Target};

use super::cell::Cell;
use crate::meter::Reading;
use crate::sample::Sample;
use crate::statistics::percentile;

/// How often processor time is read while pgbench runs.
const TICK: Duration = Duration::from_millis(50);

/// Fills the database with pgbench's tables.
pub(crate) fn fill(target: &Target, scale: u32) -> Result<()> {
    let mut command = Programs::find().command("pgbench");
    target.apply(&mut command);
    command.args(["-i", "-q", "-s", &scale.to_string()]);
    let output = command.output().context("cannot run pgbench")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench -i failed: {errors}");
    Ok(())
}

/// Runs pgbench and reads the processor time of `process` meanwhile.
pub(crate) fn run(target: &Target, process: Option<&Proc>, cell: Cell, seconds: u32) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let mut command = Programs::find().command("pgbench");
    target.apply(&mut command);
    command.args(["-S", "-n", "-j", "1", "-M", cell.mode.word()]);
    command.args(["-c", &cell.clients.to_string(), "-T", &seconds.to_string(), "--log"]);
    command.current_dir(folder.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start pgbench")?;
    let mut readings = Vec::new();
    while child.try_wait()?.is_none() {
        readings.push(Reading::now(process));
        thread::sleep(TICK);
    }
    let output = child.wait_with_output()?;
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let failed = text
        .lines()
        .find_map(|line| line.strip_prefix("number of failed transactions: "));
    let clean = output.status.success() && failed.is_none_or(|failed| failed.starts_with("0 "));
    ensure!(clean, "pgbench failed at {cell}:\n{text}{errors}");
    let entries = entries(&log(folder.path())?)?;
    sample(&readings, &entries, Duration::from_secs(u64::from(seconds)))
}

/// A line of pgbench's log: when a transaction ended, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: Duration,
    latency_us: u32,
}

fn log(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for file in fs::read_dir(folder)? {
        text.push_str(&fs::read_to_string(file?.path())?);
    }
    Ok(text)
}

/// Lines are `client transaction latency script seconds microseconds`, and more with other options (pgbench,
/// "Per-Transaction Logging").
fn entries(log: &str) -> Result<Vec<Entry>> {
    log.lines()
        .map(|line| entry(line).with_context(|| format!("not a line of pgbench's log: {line}")))
        .collect()
}

fn entry(line: &str) -> Option<Entry> {
    let mut words = line.split(' ').skip(2);
    let latency_us = words.next()?.parse().ok()?;
    let seconds = Duration::from_secs(words.nth(1)?.parse().ok()?);
    let micros = Duration::from_micros(words.next()?.parse().ok()?);
    Some(Entry {
        at: seconds + micros,
        latency_us,
    })
}

/// pgbench connects all clients before the first transaction, so what lies between the first reading behind the first
/// entry and the last reading before the last entry holds neither logins nor the end.
fn sample(readings: &[Reading], entries: &[Entry], length: Duration) -> Result<Sample> {
    let times = || entries.iter().map(|entry| entry.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        bail!("pgbench ran no transaction");
    };
    let mut within = readings
        .iter()
        .filter(|reading| reading.at >= first && reading.at <= last);
    let (Some(start), Some(end)) = (within.next(), within.next_back()) else {
        bail!("pgbench ended too early");
    };
    let window = end.at.saturating_sub(start.at);
    ensure!(window * 2 > length, "pgbench was at work for {window:?} only");
    let counted = entries.iter().filter(|entry| entry.at > start.at && entry.at <= end.at);
    let mut latencies: Vec<u32> = counted.map(|entry| entry.latency_us).collect();
    latencies.sort_unstable();
    let transactions = u32::try_from(latencies.len())?;
    ensure!(
        transactions > 0,
        "no transaction ended in the {window:?} that were measured"
    );
    let at = |per_mille| percentile(&latencies, per_mille).unwrap_or_default();
    Ok(Sample::of(transactions, window, (at(500), at(990)), end.since(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_log_of_each_version() {
        let log = "0 199 2241 0 1175850568 995598\n1 1 3 0 1175850569 2 7 0\n";
        let read = entries(log).expect("valid lines");
        let want = Entry {
            at: Duration::new(1_175_850_568, 995_598_000),
            latency_us: 2241,
        };
        assert_eq!(read.first(), Some(&want));
        assert_eq!(read.len(), 2);
        assert!(entries("0 199 skipped 0 1175850568 995598").is_err());
        assert!(entries("0 199 5 0 1175850568").is_err());
    }

    #[test]
    fn only_what_lies_between_readings_counts() {
        let at = |ms: u64| Duration::from_millis(ms);
        let reading = |ms: u64| {
            let mut reading = Reading::now(None);
            reading.at = at(ms);
            reading
        };
        let readings: Vec<Reading> = (0..40).map(|n| reading(n * 50)).collect();
        // Logins until 120 ms, then a transaction each ms until 1130 ms.
        let entries: Vec<Entry> = (120..=1130)
            .map(|ms| Entry {
                at: at(ms),
                latency_us: u32::try_from(ms).expect("small"),
            })
            .collect();
        let sample = sample(&readings, &entries, at(1000)).expect("enough");
        // The readings at 150 and 1100 ms.
        assert_eq!(sample.exchanges, 950);
        assert!((sample.per_second - 1000.0).abs() < 0.001);
        assert_eq!((sample.p50_us, sample.p99_us), (625, 1091));
        assert!(super::sample(&readings, &entries, at(3000)).is_err());
        assert!(super::sample(&readings, &[], at(1000)).is_err());
    }
}
