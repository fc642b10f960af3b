//! What a scrape says.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate_telemetry::{ProcessMetrics, Registry};

/// The one helper: what the registry exports, line by line.
#[track_caller]
fn check(registry: &Registry, expected: &str) {
    assert_eq!(registry.render(), expected);
}

#[test]
fn exposition_is_prometheus_text_in_a_stable_order() {
    let registry = Registry::new();
    let waits = registry.histogram_with(
        "tidegate_wait",
        "Wait for a server.",
        &["cluster"],
        &[Duration::from_micros(250), Duration::from_secs(1)],
    );
    let clients = registry.counter("tidegate_client_connections", "Clients\nthat came.", &["listener"]);
    let open = registry.gauge("tidegate_open", "Open now.", &[]).handle(&[]);
    let wait = waits.handle(&["app"]);
    wait.record(Duration::from_micros(250));
    wait.record(Duration::from_micros(251));
    wait.record(Duration::from_secs(2));
    let (zulu, alpha) = (clients.handle(&["zulu"]), clients.handle(&["a\"\\\n"]));
    zulu.add(41);
    zulu.inc();
    alpha.inc();
    open.add(5);
    open.add(-7);
    let unused = registry.counter("tidegate_unused", "Nobody has a handle.", &[]);
    check(
        &registry,
        r#"# HELP tidegate_client_connections_total Clients\nthat came.
# TYPE tidegate_client_connections_total counter
tidegate_client_connections_total{listener="a\"\\\n"} 1
tidegate_client_connections_total{listener="zulu"} 42
# HELP tidegate_open Open now.
# TYPE tidegate_open gauge
tidegate_open -2
# HELP tidegate_wait_seconds Wait for a server.
# TYPE tidegate_wait_seconds histogram
tidegate_wait_seconds_bucket{cluster="app",le="0.00025"} 1
tidegate_wait_seconds_bucket{cluster="app",le="1"} 2
tidegate_wait_seconds_bucket{cluster="app",le="+Inf"} 3
tidegate_wait_seconds_sum{cluster="app"} 2.000501
tidegate_wait_seconds_count{cluster="app"} 3
"#,
    );
    drop(unused);
}

#[test]
fn handles_of_one_series_are_summed_and_dropped_ones_are_kept() {
    let registry = Registry::new();
    let family = registry.counter("c", "C.", &[]);
    let (one, two) = (family.handle(&[]), family.handle(&[]));
    one.add(1);
    two.add(2);
    drop(one);
    family.shared(&[]).add(4);
    let again = registry.counter("c_total", "C.", &[]).handle(&[]);
    again.add(8);
    check(&registry, "# HELP c_total C.\n# TYPE c_total counter\nc_total 15\n");
    drop((two, again));
    check(&registry, "# HELP c_total C.\n# TYPE c_total counter\nc_total 15\n");

    let registry = Registry::new();
    let times = registry.histogram_with("h", "H.", &[], &[]);
    times.handle(&[]).record(Duration::from_secs(1));
    let text = "# HELP h_seconds H.\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"+Inf\"} 1\nh_seconds_sum 1\nh_seconds_count 1\n";
    check(&registry, text);
}

#[test]
fn gauges_of_dropped_handles_vanish() {
    let registry = Registry::new();
    let family = registry.gauge("g", "G.", &["core"]);
    let (zero, one) = (family.handle(&["0"]), family.shared(&["1"]));
    zero.set(3);
    one.set(4);
    drop(zero);
    check(&registry, "# HELP g G.\n# TYPE g gauge\ng{core=\"1\"} 4\n");
    drop(one);
    check(&registry, "");
}

#[test]
fn series_are_bounded() {
    let registry = Registry::with_max_series(2);
    let family = registry.counter("c", "C.", &["user", "database"]);
    let handles: Vec<_> = (0..100).map(|n| family.handle(&[&format!("u{n}"), "d"])).collect();
    handles.iter().for_each(tidegate_telemetry::Counter::inc);
    let text = "# HELP c_total C.\n# TYPE c_total counter\n\
        c_total{user=\"other\",database=\"other\"} 98\n\
        c_total{user=\"u0\",database=\"d\"} 1\nc_total{user=\"u1\",database=\"d\"} 1\n";
    check(&registry, text);

    // A gauge's series make room once nobody holds them.
    let registry = Registry::with_max_series(2);
    let family = registry.gauge("g", "G.", &["user"]);
    for n in 0..100 {
        family.handle(&[&format!("u{n}")]).set(n);
    }
    let last = family.handle(&["last"]);
    last.set(7);
    check(&registry, "# HELP g G.\n# TYPE g gauge\ng{user=\"last\"} 7\n");

    let long = family.handle(&[&"ä".repeat(10_000)]);
    long.set(1);
    assert!(registry.render().len() < 500, "label values are cut");
}

#[test]
fn writers_count_exactly_while_somebody_scrapes() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 50_000;
    let registry = Registry::new();
    let counters = registry.counter("c", "C.", &[]);
    let times = registry.histogram("h", "H.", &[]);
    let shared = registry.counter("s", "S.", &[]).shared(&[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (counters, times, shared) = (&counters, &times, shared.clone());
                scope.spawn(move || {
                    let mut counter = counters.handle(&[]);
                    let time = times.handle(&[]);
                    for n in 0..EACH {
                        if n % 1_000 == writer {
                            counter = counters.handle(&[]);
                        }
                        counter.inc();
                        time.record(Duration::from_micros(n));
                        shared.inc();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let now = value(&registry.render(), "c_total ");
                assert!(now >= last, "a counter went back from {last} to {now}");
                last = now;
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let text = registry.render();
    for name in ["c_total ", "s_total ", "h_seconds_count "] {
        assert_eq!(value(&text, name), WRITERS * EACH, "{name}");
    }
}

fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.parse().unwrap())
}

#[test]
fn the_process_describes_itself() {
    let registry = Registry::new();
    registry.collect(ProcessMetrics);
    let text = registry.render();
    let number = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in {text}"))
            .parse()
            .unwrap()
    };
    assert!(number("process_resident_memory_bytes") > 100_000.0);
    assert!(number("process_open_fds") >= 3.0);
    assert!(number("process_max_fds") >= number("process_open_fds"));
    assert!(number("process_threads") >= 1.0);
    assert!(number("process_cpu_seconds_total") >= 0.0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!((now - number("process_start_time_seconds")).abs() < 3_600.0);
}

#[test]
#[should_panic(expected = "registered twice")]
fn one_name_has_one_meaning() {
    let registry = Registry::new();
    registry.counter("c", "C.", &["a"]);
    registry.counter("c", "C.", &["b"]);
}

#[test]
fn totals_are_read_back_with_those_of_dropped_handles() {
    let registry = Registry::new();
    let counters = registry.counter("c", "C.", &["a", "b"]);
    let one = counters.handle(&["x", "y"]);
    one.add(3);
    counters.handle(&["x", "y"]).add(4);
    counters.handle(&["z", ""]).inc();
    let labels = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
    assert_eq!(counters.totals(), [(labels("x", "y"), 7), (labels("z", ""), 1)]);
    let times = registry.histogram("h", "H.", &["a"]);
    times.handle(&["x"]).record(Duration::from_micros(40));
    times.handle(&["x"]).record(Duration::from_secs(2));
    let sum = Duration::from_micros(2_000_040);
    assert_eq!(times.totals(), [(vec!["x".to_owned()], (2, sum))]);
}
