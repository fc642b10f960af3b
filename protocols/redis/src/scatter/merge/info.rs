//! INFO of several servers as that of one.

use std::fmt::Write as _;

use tidegate_redis_wire::reply::Writer;

use crate::scatter::Asker;
use crate::scatter::raw::Raw;

/// A line of INFO, with what each server has on it.
struct Line<'a> {
    name: &'a str,
    values: Vec<&'a str>,
}

struct Section<'a> {
    title: &'a str,
    lines: Vec<Line<'a>>,
}

/// By section: what adds up is summed up, the rest is the first server's.
pub(super) fn merge(asker: &Asker, replies: &[Raw<'_>], writer: &mut Writer<'_>) -> Option<()> {
    let texts: Option<Vec<String>> = replies.iter().map(|reply| text(*reply)).collect();
    let texts = texts?;
    let mut sections: Vec<Section<'_>> = Vec::new();
    for text in &texts {
        gather(text, &mut sections);
    }
    let mut all = String::new();
    for section in &sections {
        if !section.title.is_empty() {
            let gap = if all.is_empty() { "" } else { "\r\n" };
            let _ = write!(all, "{gap}# {}\r\n", section.title);
        }
        for line in &section.lines {
            say(asker, section, line, &mut all);
        }
    }
    writer.verbatim(*b"txt", &all);
    Some(())
}

fn text(reply: Raw<'_>) -> Option<String> {
    reply.text().map(|text| String::from_utf8_lossy(text).into_owned())
}

/// Adds a server's lines to those of the others. Databases and commands that only some have are taken up too.
fn gather<'a>(text: &'a str, sections: &mut Vec<Section<'a>>) {
    // Servers say the same in the same order, nearly.
    let (mut title, mut at) = ("", 0);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            (title, at) = (name, 0);
            section(sections, title);
        } else if let Some((name, value)) = line.split_once(':') {
            let lines = &mut section(sections, title).lines;
            let is_here = lines.get(at).is_some_and(|line| line.name == name);
            let found = if is_here {
                Some(at)
            } else {
                lines.iter().position(|line| line.name == name)
            };
            at = found.unwrap_or(lines.len());
            match lines.get_mut(at) {
                Some(line) => line.values.push(value),
                None => lines.push(Line {
                    name,
                    values: vec![value],
                }),
            }
            at += 1;
        }
    }
}

fn section<'s, 'a>(sections: &'s mut Vec<Section<'a>>, title: &'a str) -> &'s mut Section<'a> {
    let at = sections.iter().position(|section| section.title == title);
    let at = at.unwrap_or_else(|| {
        sections.push(Section {
            title,
            lines: Vec::new(),
        });
        sections.len() - 1
    });
    &mut sections[at]
}

fn say(asker: &Asker, section: &Section<'_>, line: &Line<'_>, out: &mut String) {
    let name = line.name;
    let value = match section.title {
        // Replicas are behind the gateway, and their addresses nobody's business.
        "Replication" if is_replica(name) => return,
        "Keyspace" => fields(line, &["keys", "expires"]),
        "Commandstats" => fields(line, &["calls", "usec", "rejected_calls", "failed_calls"]),
        "Errorstats" => fields(line, &["count"]),
        "Server" | "Cluster" => mode(asker, name).map(str::to_owned),
        _ => None,
    };
    let value = value
        .or_else(|| made(section, name))
        .or_else(|| sums_up(section.title, name).then(|| sum(&line.values)).flatten())
        .unwrap_or_else(|| line.values.first().copied().unwrap_or_default().to_owned());
    let _ = write!(out, "{name}:{value}\r\n");
}

fn is_replica(name: &str) -> bool {
    name.strip_prefix("slave")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn mode(asker: &Asker, name: &str) -> Option<&'static str> {
    Some(match (name, asker.sees_cluster) {
        ("redis_mode" | "server_mode", true) => "cluster",
        ("redis_mode" | "server_mode", false) => "standalone",
        ("cluster_enabled", true) => "1",
        ("cluster_enabled", false) => "0",
        _ => return None,
    })
}

/// Whether a line's numbers add up. What is not listed is about one server: its version, its limits, its times.
fn sums_up(section: &str, name: &str) -> bool {
    match section {
        "Clients" => !name.starts_with("client_recent_max"),
        "Memory" => {
            let added = ["used_memory", "allocator_", "mem_", "number_of_", "lazyfree"];
            let is_share = name.ends_with("_ratio") || name.ends_with("_perc") || name == "mem_allocator";
            let is_whole = matches!(name, "total_system_memory" | "maxmemory" | "rss_overhead_bytes");
            !is_share && (is_whole || added.iter().any(|start| name.starts_with(start)))
        }
        "Persistence" => matches!(name, "rdb_changes_since_last_save" | "rdb_saves" | "aof_rewrites"),
        "Stats" => {
            let single = ["expired_stale_perc", "latest_fork_usec", "slave_expires_tracked_keys"];
            !name.starts_with("current_") && !single.contains(&name)
        }
        "Replication" => name == "connected_slaves",
        "CPU" => true,
        _ => false,
    }
}

/// Lines that say again, or compare, what others say.
fn made(section: &Section<'_>, name: &str) -> Option<String> {
    if section.title != "Memory" {
        return None;
    }
    let total = |name: &str| {
        let line = section.lines.iter().find(|line| line.name == name)?;
        sum(&line.values)?.parse::<u64>().ok()
    };
    if let Some(of) = name.strip_suffix("_human") {
        return sums_up(section.title, of).then(|| total(of)).flatten().map(human);
    }
    let (part, whole) = match name {
        "mem_fragmentation_ratio" => (total("used_memory_rss")?, total("used_memory")?),
        "allocator_frag_ratio" => (total("allocator_active")?, total("allocator_allocated")?),
        "allocator_rss_ratio" => (total("allocator_resident")?, total("allocator_active")?),
        "rss_overhead_ratio" => (total("used_memory_rss")?, total("allocator_resident")?),
        _ => return None,
    };
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let share = part as f64 / whole as f64;
    (whole > 0).then(|| format!("{share:.2}"))
}

/// The sum of numbers of one sort, in as many digits behind the point as the first has. `None` when one is no number.
fn sum(values: &[&str]) -> Option<String> {
    let whole: Option<Vec<i64>> = values.iter().map(|value| value.parse().ok()).collect();
    if let Some(numbers) = whole {
        return Some(numbers.into_iter().fold(0, i64::saturating_add).to_string());
    }
    let digits = values
        .first()?
        .split_once('.')
        .map_or(0, |(_, digits)| digits.len().min(9));
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
    Some(format!("{:.digits$}", numbers?.into_iter().sum::<f64>()))
}

/// A line of fields, `keys=1,expires=0,avg_ttl=0`: these are summed up; averages are made anew.
fn fields(line: &Line<'_>, added: &[&str]) -> Option<String> {
    let total = |name: &str| -> i64 {
        let numbers = line
            .values
            .iter()
            .filter_map(|value| field(value, name)?.parse::<i64>().ok());
        numbers.fold(0, i64::saturating_add)
    };
    let first = *line.values.first()?;
    let said = first.split(',').map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = match name {
            _ if added.contains(&name) => total(name).to_string(),
            "avg_ttl" => ttl(line).to_string(),
            "usec_per_call" => per_call(total("usec"), total("calls")),
            _ => value.to_owned(),
        };
        format!("{name}={value}")
    });
    Some(said.collect::<Vec<_>>().join(","))
}

/// The average of those keys that expire: each server's counts for as many as it has.
fn ttl(line: &Line<'_>) -> i64 {
    let number = |value: &str, name| {
        field(value, name)
            .and_then(|text| text.parse::<i64>().ok())
            .unwrap_or(0)
    };
    let (mut sum, mut keys) = (0_i64, 0_i64);
    for value in &line.values {
        let expiring = number(value, "expires");
        sum = sum.saturating_add(number(value, "avg_ttl").saturating_mul(expiring));
        keys = keys.saturating_add(expiring);
    }
    sum.checked_div(keys).unwrap_or(0)
}

fn per_call(usec: i64, calls: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let mean = if calls == 0 { 0.0 } else { usec as f64 / calls as f64 };
    format!("{mean:.2}")
}

fn field<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = value.split(',').filter_map(|part| part.split_once('='));
    parts.find(|(own, _)| *own == name).map(|(_, text)| text)
}

/// A size as Redis shows it (`server.c`, `bytesToHuman`).
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let mut size = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while size >= 1024.0
        && let Some(next) = units.next()
    {
        size /= 1024.0;
        unit = Some(next);
    }
    format!("{size:.2}{}", unit.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sees_cluster: bool, texts: &[&str], expected: &str) {
        let replies: Vec<_> = texts
            .iter()
            .map(|text| format!("${}\r\n{text}\r\n", text.len()))
            .collect();
        let raws: Vec<_> = replies.iter().map(|reply| Raw::of(reply.as_bytes()).unwrap()).collect();
        let asker = Asker {
            sees_cluster,
            ..Asker::default()
        };
        let mut out = Vec::new();
        merge(&asker, &raws, &mut Writer::new(&mut out, asker.version)).unwrap();
        let expected = format!("${}\r\n{expected}\r\n", expected.len());
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn sections_are_merged() {
        check(
            false,
            &[
                "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\ntcp_port:1\r\n\r\n# Clients\r\nconnected_clients:3\r\n",
                "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\ntcp_port:2\r\n\r\n# Clients\r\nconnected_clients:4\r\n",
            ],
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\ntcp_port:1\r\n\r\n# Clients\r\nconnected_clients:7\r\n",
        );
    }

    #[test]
    fn keyspaces_are_summed_up() {
        check(
            true,
            &[
                "# Keyspace\r\ndb0:keys=10,expires=1,avg_ttl=100\r\n",
                "# Keyspace\r\n",
                "# Keyspace\r\ndb0:keys=5,expires=3,avg_ttl=200\r\ndb1:keys=1,expires=0,avg_ttl=0\r\n",
            ],
            "# Keyspace\r\ndb0:keys=15,expires=4,avg_ttl=175\r\ndb1:keys=1,expires=0,avg_ttl=0\r\n",
        );
    }

    #[test]
    fn sizes_and_shares_are_made_anew() {
        check(
            true,
            &[
                "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nused_memory_rss:2097152\r\nmem_fragmentation_ratio:2.00\r\nmaxmemory_policy:noeviction\r\n",
                "# Memory\r\nused_memory:2097152\r\nused_memory_human:2.00M\r\nused_memory_rss:2097152\r\nmem_fragmentation_ratio:1.00\r\nmaxmemory_policy:noeviction\r\n",
            ],
            "# Memory\r\nused_memory:3145728\r\nused_memory_human:3.00M\r\nused_memory_rss:4194304\r\nmem_fragmentation_ratio:1.33\r\nmaxmemory_policy:noeviction\r\n",
        );
    }

    #[test]
    fn what_commands_cost_is_summed_up() {
        check(
            true,
            &[
                "# Commandstats\r\ncmdstat_get:calls=2,usec=10,usec_per_call=5.00,rejected_calls=0,failed_calls=1\r\n",
                "# Commandstats\r\ncmdstat_get:calls=1,usec=2,usec_per_call=2.00,rejected_calls=1,failed_calls=1\r\ncmdstat_set:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0\r\n",
            ],
            "# Commandstats\r\ncmdstat_get:calls=3,usec=12,usec_per_call=4.00,rejected_calls=1,failed_calls=2\r\ncmdstat_set:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0\r\n",
        );
    }

    #[test]
    fn replicas_are_not_told_of() {
        check(
            false,
            &[
                "# Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.1,port=6379,state=online\r\nslave_repl_offset:0\r\n",
                "# Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.2,port=6379,state=online\r\nslave_repl_offset:0\r\n",
            ],
            "# Replication\r\nrole:master\r\nconnected_slaves:2\r\nslave_repl_offset:0\r\n",
        );
    }

    #[test]
    fn sizes_are_shown_as_redis_does() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_100_000, "1.05M"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
