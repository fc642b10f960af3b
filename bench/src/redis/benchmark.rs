//! One run of redis-benchmark through one peer.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tidegate_kit::{Redis, RespClient};

use super::cell::Cell;
use super::peers::Running;
use crate::meter::Reading;
use crate::program::installed;
use crate::sample::Sample;

/// How often processor time is read while redis-benchmark runs.
const TICK: Duration = Duration::from_millis(50);
/// The key that redis-benchmark uses when it is not told to use several.
const KEY: &str = "key:__rand_int__";
/// Commands of a first run, from which the length of those that count is told.
const PACE: u32 = 20_000;

/// What the proxy had used when the server had served so many commands.
#[derive(Clone, Debug)]
struct Moment {
    reading: Reading,
    commands: u64,
}

/// What redis-benchmark says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    per_second: f64,
    p50_us: u32,
    p99_us: u32,
}

/// How many commands a second come through, by a short run.
pub(super) fn pace(running: &Running, cell: Cell) -> Result<f64> {
    let count = PACE.max(cell.clients * cell.pipeline * 20);
    let child = command(running, cell, count)?.spawn();
    let output = child.context("cannot start redis-benchmark")?.wait_with_output()?;
    Ok(told(&String::from_utf8_lossy(&output.stdout))?.per_second)
}

/// Runs as many commands as take about so long, and reads the processor time of the peer meanwhile.
pub(super) fn run(running: &Running, redis: &Redis, cell: Cell, pace: f64, length: Duration) -> Result<Sample> {
    let value = "v".repeat(usize::try_from(cell.bytes)?);
    let mut server = redis.client();
    server.ask(&["SET", KEY, &value]);
    let count = Duration::from_secs_f64(length.as_secs_f64() * pace).as_secs();
    let count = u32::try_from(count)?.max(PACE);
    let mut moments = vec![moment(running, &mut server)?];
    let child = command(running, cell, count)?.spawn();
    let mut child = child.context("cannot start redis-benchmark")?;
    while child.try_wait()?.is_none() {
        moments.push(moment(running, &mut server)?);
        thread::sleep(TICK);
    }
    let output = child.wait_with_output()?;
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "redis-benchmark failed:\n{text}{errors}");
    sample(&moments, u64::from(count), told(&text)?, length)
}

fn command(running: &Running, cell: Cell, count: u32) -> Result<Command> {
    let program = installed("redis-benchmark").map_err(anyhow::Error::msg)?;
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "--csv", "-t", cell.command.word()]);
    for (flag, number) in [
        ("-p", u32::from(running.address.port())),
        ("-n", count),
        ("-c", cell.clients),
        ("-P", cell.pipeline),
        ("-d", cell.bytes),
    ] {
        command.args([flag, &number.to_string()]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

fn moment(running: &Running, server: &mut RespClient) -> Result<Moment> {
    let told = server.ask(&["INFO", "stats"]).text();
    let mut lines = told.lines();
    let count = lines.find_map(|line| line.strip_prefix("total_commands_processed:"));
    Ok(Moment {
        commands: count.context("no count of commands in INFO")?.trim().parse()?,
        reading: Reading::now(running.process()),
    })
}

/// redis-benchmark connects all clients before the first command, so what lies between the first moment at which many
/// commands have been served and the last one before the end holds neither logins nor the end.
fn sample(moments: &[Moment], count: u64, told: Told, length: Duration) -> Result<Sample> {
    let Some(base) = moments.first().map(|moment| moment.commands) else {
        bail!("nothing was read");
    };
    let (some, nearly_all) = (base + count / 50, base + count - count / 50);
    let mut within = moments
        .iter()
        .filter(|moment| (some..=nearly_all).contains(&moment.commands));
    let (Some(start), Some(end)) = (within.next(), within.next_back()) else {
        bail!("redis-benchmark ended too early");
    };
    let window = end.reading.at.saturating_sub(start.reading.at);
    ensure!(
        window * 4 > length,
        "redis-benchmark was at work for {window:?} only: the machine is not steady"
    );
    let commands = u32::try_from(end.commands - start.commands)?;
    let used = end.reading.since(&start.reading);
    Ok(Sample::of(commands, window, (told.p50_us, told.p99_us), used))
}

/// With `--csv` there is a line of names and one of figures, of which latencies are in milliseconds.
fn told(csv: &str) -> Result<Told> {
    let lines: Vec<Vec<&str>> = csv
        .lines()
        .filter(|line| line.starts_with('"'))
        .map(|line| line.split(',').map(|word| word.trim_matches('"')).collect())
        .collect();
    let [names, figures] = lines.as_slice() else {
        bail!("redis-benchmark said:\n{csv}");
    };
    let figure = |name: &str| -> Result<f64> {
        let at = names.iter().position(|one| *one == name);
        let text = at.and_then(|at| figures.get(at));
        let text = text.with_context(|| format!("redis-benchmark says no {name}:\n{csv}"))?;
        text.parse().with_context(|| format!("{text} is no number"))
    };
    let micros = |name: &str| -> Result<u32> {
        let latency = Duration::from_secs_f64(figure(name)? / 1e3);
        Ok(u32::try_from(latency.as_micros())?)
    };
    Ok(Told {
        per_second: figure("rps")?,
        p50_us: micros("p50_latency_ms")?,
        p99_us: micros("p99_latency_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "WARNING: Could not fetch server CONFIG\n\
        \"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
        \"GET\",\"46082.95\",\"0.699\",\"0.096\",\"0.351\",\"3.055\",\"4.679\",\"5.199\"\n";

    #[test]
    fn reads_what_redis_benchmark_says() {
        let wanted = Told {
            per_second: 46_082.95,
            p50_us: 351,
            p99_us: 4679,
        };
        assert_eq!(told(CSV).expect("figures"), wanted);
        assert!(told("").is_err());
        assert!(told(&CSV.replace("p99", "p98")).is_err());
        assert!(told(&CSV.replace("4.679", "?")).is_err());
    }

    #[test]
    fn only_what_lies_between_moments_counts() {
        let told = told(CSV).expect("figures");
        // 300 ms of connecting, then 50 commands each millisecond until 100,000 are done.
        let moment = |ms: u64| {
            let mut reading = Reading::now(None);
            reading.at = Duration::from_millis(ms);
            let commands = 7 + ms.saturating_sub(300).min(2000) * 50;
            Moment { reading, commands }
        };
        let moments: Vec<Moment> = (0..50).map(|n| moment(n * 50)).collect();
        let sample = sample(&moments, 100_000, told, Duration::from_secs(2)).expect("enough");
        // The moments at 350 and 2250 ms.
        assert_eq!(sample.exchanges, 95_000);
        assert!((sample.per_second - 50_000.0).abs() < 0.001);
        assert_eq!((sample.p50_us, sample.p99_us), (351, 4679));
        assert!(super::sample(&moments, 100_000, told, Duration::from_secs(9)).is_err());
        assert!(super::sample(&moments[..5], 100_000, told, Duration::from_secs(2)).is_err());
        assert!(super::sample(&[], 100_000, told, Duration::from_secs(2)).is_err());
    }
}
