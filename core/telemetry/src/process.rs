use std::fs;

use crate::exposition::{Collect, Exposition, SampleKind};

/// The process as Linux sees it, under the names that Prometheus client libraries agree on.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessMetrics;

impl Collect for ProcessMetrics {
    fn collect(&self, out: &mut Exposition) {
        if let Some(stat) = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|text| Stat::parse(&text))
        {
            let name = "process_cpu_seconds_total";
            out.family(name, "User and system CPU time.", SampleKind::Counter);
            out.sample(name, [], hundredths(stat.cpu_ticks, ticks_per_second()));
            let page = u64::try_from(rustix::param::page_size()).unwrap_or(0);
            gauge(
                out,
                "process_resident_memory_bytes",
                "Resident memory.",
                stat.resident_pages.saturating_mul(page),
            );
            gauge(
                out,
                "process_virtual_memory_bytes",
                "Virtual memory.",
                stat.virtual_bytes,
            );
            gauge(out, "process_threads", "Threads.", stat.threads);
            if let Some(boot) = boot_time() {
                let start = hundredths(stat.start_ticks, ticks_per_second());
                let help = "Start of the process, in seconds since 1970.";
                out.family("process_start_time_seconds", help, SampleKind::Gauge);
                out.sample("process_start_time_seconds", [], add_seconds(boot, &start));
            }
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // One of them is this very directory.
            let open = u64::try_from(entries.count().saturating_sub(1)).unwrap_or(u64::MAX);
            gauge(out, "process_open_fds", "Open file descriptors.", open);
        }
        if let Some(most) = max_files() {
            gauge(out, "process_max_fds", "Most file descriptors that may be open.", most);
        }
    }
}

fn gauge(out: &mut Exposition, name: &str, help: &str, value: u64) {
    out.family(name, help, SampleKind::Gauge);
    out.sample(name, [], value);
}

/// What is wanted of `/proc/self/stat` (`proc_pid_stat(5)`).
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The program's name is in parentheses and may hold anything, so counting begins after the last one.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Field numbers as in the manual, where the first one after the name is 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Ticks as seconds with two decimals, which is all that the kernel's hundred ticks a second tell.
fn hundredths(ticks: u64, per_second: u64) -> String {
    let rest = ticks % per_second * 100 / per_second;
    format!("{}.{rest:02}", ticks / per_second)
}

fn add_seconds(whole: u64, seconds: &str) -> String {
    let (more, fraction) = seconds.split_once('.').unwrap_or((seconds, "00"));
    format!("{}.{fraction}", whole + more.parse::<u64>().unwrap_or(0))
}

fn boot_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn max_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_proc_with_a_name_that_bites() {
        let text = "1 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 7 0 4242 1000000 33 0";
        let stat = Stat {
            cpu_ticks: 200,
            threads: 7,
            start_ticks: 4242,
            virtual_bytes: 1_000_000,
            resident_pages: 33,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("1 (x"), None);
        assert_eq!(hundredths(205, 100), "2.05");
        assert_eq!(add_seconds(100, "42.42"), "142.42");
    }
}
