//! The tables.

use std::fmt::{self, Write as _};

use crate::results::Results;
use crate::sample::Sample;
use crate::subject::Subject;

/// Everything as Markdown.
pub(crate) fn markdown<S: Subject>(
    results: &Results<S>,
    cells: &[S::Cell],
    peers: &[S::Peer],
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{}.\n", versions(results))?;
    if !cells.is_empty() {
        measured(&mut text, results, cells, peers)?;
    }
    weighed(&mut text, results)?;
    budgets(&mut text, results, cells, peers)?;
    for note in &results.notes {
        writeln!(text, "- {note}")?;
    }
    Ok(text)
}

fn versions<S: Subject>(results: &Results<S>) -> String {
    let each = results
        .versions
        .iter()
        .map(|(peer, version)| format!("{peer}: {version}"));
    each.collect::<Vec<_>>().join("; ")
}

fn measured<S: Subject>(text: &mut String, results: &Results<S>, cells: &[S::Cell], peers: &[S::Peer]) -> fmt::Result {
    writeln!(
        text,
        "| {} | peer | {} | p50 µs | p99 µs | CPU µs per {}, user + system | × {} |",
        S::COLUMNS.join(" | "),
        S::RATE,
        S::EXCHANGE,
        S::RIVAL
    )?;
    writeln!(text, "{}|---|---|---|---|---|---|", "|---".repeat(S::COLUMNS.len()))?;
    for &cell in cells {
        for &peer in peers {
            let figure = |figure| results.median(cell, peer, figure);
            let Some(rate) = figure(|sample| sample.per_second) else {
                continue;
            };
            let p50 = figure(|sample| f64::from(sample.p50_us)).unwrap_or_default();
            let p99 = figure(|sample| f64::from(sample.p99_us)).unwrap_or_default();
            let user = figure(|sample| sample.user_us).unwrap_or_default();
            let system = figure(|sample| sample.system_us).unwrap_or_default();
            let columns = S::columns(cell).join(" | ");
            write!(text, "| {columns} | {peer} | {rate:.0} | {p50:.0} | {p99:.0} | ")?;
            if S::is_direct(peer) {
                writeln!(text, "– | – |")?;
                continue;
            }
            let ratio = results.ratio(cell, peer, Sample::cpu_us);
            let ratio = ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
            writeln!(text, "{user:.1} + {system:.1} | {ratio} |")?;
        }
    }
    Ok(())
}

fn weighed<S: Subject>(text: &mut String, results: &Results<S>) -> fmt::Result {
    if results.idle.is_empty() {
        return Ok(());
    }
    text.push_str("\n| peer | KiB per idle client |\n|---|---|\n");
    for (peer, kib) in &results.idle {
        writeln!(text, "| {peer} | {kib:.2} |")?;
    }
    Ok(())
}

/// One line of the budget table.
struct Held {
    what: String,
    limit: f64,
    measured: f64,
}

fn budgets<S: Subject>(text: &mut String, results: &Results<S>, cells: &[S::Cell], peers: &[S::Peer]) -> fmt::Result {
    let own = || peers.iter().copied().filter(|peer| S::is_tidegate(*peer));
    let mut lines: Vec<Held> = own()
        .flat_map(|peer| cells.iter().flat_map(move |&cell| held(results, cell, peer)))
        .collect();
    let idle = results.idle.iter().filter(|(peer, _)| S::is_tidegate(*peer));
    lines.extend(idle.map(|(peer, kib)| Held {
        what: format!("{peer}: KiB per idle client"),
        limit: S::IDLE_KIB,
        measured: *kib,
    }));
    if lines.is_empty() {
        return Ok(());
    }
    text.push_str("\n| budget | limit | measured | |\n|---|---|---|---|\n");
    for line in lines {
        // What is printed is what is judged.
        let rounded = (line.measured * 100.0).round() / 100.0;
        let verdict = if rounded <= line.limit { "met" } else { "**missed**" };
        let (what, limit) = (line.what, line.limit);
        writeln!(text, "| {what} | {limit:.2} | {rounded:.2} | {verdict} |")?;
    }
    text.push('\n');
    Ok(())
}

fn held<S: Subject>(results: &Results<S>, cell: S::Cell, peer: S::Peer) -> Vec<Held> {
    let line = |what: &str, limit: Option<f64>, measured: Option<f64>| {
        let what = format!("{peer}, {cell}: {what}");
        limit
            .zip(measured)
            .map(|(limit, measured)| Held { what, limit, measured })
    };
    let limits = S::limits(cell);
    let (exchange, rival) = (S::EXCHANGE, S::RIVAL);
    let lines = [
        line(
            &format!("CPU per {exchange} × {rival}'s"),
            limits.cpu,
            results.ratio(cell, peer, Sample::cpu_us),
        ),
        line(
            &format!("user µs per {exchange}"),
            limits.user_us,
            results.median(cell, peer, |sample| sample.user_us),
        ),
        line(
            &format!("p99 × {rival}'s"),
            limits.p99,
            results.ratio(cell, peer, |sample| f64::from(sample.p99_us)),
        ),
    ];
    lines.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::cell::{Cell, Mode};
    use crate::postgres::peer::Peer;
    use crate::results::tests::made_up;

    #[test]
    fn tables_say_what_was_measured_and_what_was_missed() {
        let cell = Cell {
            mode: Mode::Prepared,
            clients: 16,
        };
        let mut results = made_up(cell, &[((1.8, 10.2), (2.0, 18.0))]);
        results
            .versions
            .push((Peer::PgbouncerNew, "PgBouncer 1.24.1".to_owned()));
        results.idle.push((Peer::Tidegate, 2.004));
        results.notes.push("nothing".to_owned());
        let text = markdown(&results, &[cell], &[Peer::Tidegate, Peer::PgbouncerNew, Peer::Haproxy]);
        let text = text.expect("text");
        let lines = [
            "pgbouncer-new: PgBouncer 1.24.1.",
            "| prepared | 16 | tidegate | 20000 | 700 | 900 | 1.8 + 10.2 | 0.60 |",
            "| prepared | 16 | pgbouncer-new | 20000 | 700 | 1000 | 2.0 + 18.0 | 1.00 |",
            "| tidegate | 2.00 |",
            "| tidegate, prepared/16: CPU per transaction × PgBouncer's | 0.85 | 0.60 | met |",
            "| tidegate, prepared/16: user µs per transaction | 1.50 | 1.80 | **missed** |",
            "| tidegate, prepared/16: p99 × PgBouncer's | 1.00 | 0.90 | met |",
            "| tidegate: KiB per idle client | 2.00 | 2.00 | met |",
            "- nothing",
        ];
        for line in lines {
            assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
        }
        assert!(!text.contains("haproxy"), "{text}");
    }
}
