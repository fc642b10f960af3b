//! Counting allocates nothing, however often it is done. A test binary of its own, because the allocator is global.

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate_telemetry::Registry;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn counting_allocates_nothing() {
    let registry = Registry::new();
    let counter = registry.counter("c", "C.", &["a"]).handle(&["x"]);
    let gauge = registry.gauge("g", "G.", &[]).handle(&[]);
    let times = registry.histogram("h", "H.", &[]).handle(&[]);
    let region = Region::new(GLOBAL);
    for n in 0..100_000 {
        counter.inc();
        gauge.add(1);
        times.record(Duration::from_nanos(n * 1_000));
    }
    let change = region.change();
    // The harness has a thread of its own, which may allocate a little meanwhile.
    assert!(change.allocations + change.reallocations < 100, "{change:?}");
}
