//! An exchange through the chain allocates nothing, whether it ends well or not. One test alone in its process, so that
//! nobody else's allocations count.

mod common;

use common::{chain, exchange, statement};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate_chain::{Outcome, Verb};
use tidegate_count::CountConfig;
use tidegate_telemetry::Registry;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

#[test]
fn no_allocation_per_exchange() {
    let registry = Registry::new();
    let mut chain = chain(&CountConfig::default(), &registry);
    let statements = [statement(Verb::Transaction), statement(Verb::Write)];
    let outcomes = [Outcome::Done, Outcome::Failed("23505")];
    for outcome in outcomes {
        exchange(&mut chain, &statements, outcome);
    }
    let region = Region::new(ALLOCATOR);
    for round in 0..10_000 {
        exchange(&mut chain, &statements, outcomes[round % 2]);
    }
    let change = region.change();
    // The harness has a thread of its own, which may allocate a little meanwhile.
    assert!(change.allocations + change.reallocations < 100, "{change:?}");
}
