use tidegate_redis_wire::reply::Version;
use tidegate_redis_wire::table::Channels;

use super::harness::{Dialler, Ear, hub, message, on_core, rules};
use crate::hub::link::Link;
use crate::hub::opener::Spot;

/// Counts what this thread allocates, while it is asked to.
pub(super) fn allocations(work: impl FnOnce()) -> usize {
    let region = stats_alloc::Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Other tests run at the same time in this process and allocate too, so the quietest round tells: what a delivery
/// itself allocates is in every one of them.
#[test]
fn delivery_allocates_nothing() {
    on_core(async {
        let hub = hub(rules(), &Dialler::new(Vec::new(), false));
        let mut ears: Vec<Ear> = (0..1000).map(|_| Ear::new(&hub, Version::Resp2)).collect();
        let link = Link::new(Spot::Any);
        for ear in &ears {
            ear.seat.listen(Channels::Named, [&b"a"[..]]);
        }
        let id = *hub.spots.borrow().get(&Spot::Any).unwrap();
        let there = hub.links.borrow().get(&id).cloned().unwrap();
        hub.connected(id, &there);
        hub.heard(id, &there, b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")
            .unwrap();
        assert!(ears.iter().all(|ear| !ear.seat.owes()));
        let payload = "x".repeat(100);
        let frame = message(&["message", "a", &payload]).replacen('*', ">", 1);
        let mut fewest = usize::MAX;
        for round in 0..200 {
            let count = allocations(|| hub.heard(id, &link, frame.as_bytes()).unwrap());
            for ear in &mut ears {
                ear.drain();
                ear.got.clear();
            }
            // The first rounds make the buffers.
            if round > 10 {
                fewest = fewest.min(count);
            }
        }
        assert_eq!(fewest, 0);
        assert_eq!(hub.tally().deliveries.get(), 200 * 1000);
    });
}
