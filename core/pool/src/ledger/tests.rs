use proptest::prelude::*;

use super::*;

const RESERVE_AFTER: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(3);

fn limits(size: usize, reserve: usize, min: usize) -> Limits {
    Limits {
        size,
        reserve,
        reserve_after: Some(RESERVE_AFTER),
        min,
        min_idle: 0,
        queue: 100,
        idle_timeout: Some(Duration::from_secs(2)),
        max_lifetime: None,
        order: LendOrder::Lifo,
        retry_after: Some(RETRY_AFTER),
    }
}

/// Opens for as long as one more is wanted; how many that were.
fn open_wanted(ledger: &mut Ledger<u32, u32>, now: Instant) -> usize {
    let mut opened = 0;
    while ledger.wants_to_open(now) {
        ledger.opening();
        opened += 1;
    }
    opened
}

#[test]
fn the_reserve_is_opened_for_each_who_has_waited_for_long() {
    let start = Instant::now();
    let after = |seconds: u64| start + Duration::from_secs(seconds);
    let mut ledger = Ledger::new(limits(1, 2, 0));
    for (waiter, seconds) in [(1, 0), (2, 0), (3, 2), (4, 4)] {
        assert!(ledger.wait(waiter, after(seconds)).is_ok());
    }
    assert_eq!(open_wanted(&mut ledger, after(4)), 1);
    assert_eq!(ledger.opened(10, after(4)), Returned::Hand(10, 1));
    assert_eq!(
        open_wanted(&mut ledger, after(4)),
        0,
        "nobody has waited for long enough"
    );
    assert_eq!(open_wanted(&mut ledger, after(5)), 1, "the second has");
    assert_eq!(open_wanted(&mut ledger, after(7)), 1, "and the third");
    assert_eq!(open_wanted(&mut ledger, after(60)), 0, "there are two of them");
    assert_eq!(ledger.opened(11, after(7)), Returned::Hand(11, 2));
    assert_eq!(ledger.take_back(11, after(7), after(8)), Returned::Hand(11, 3));
    // They are like the others, until they are idle for too long.
    assert_eq!(ledger.take_back(10, after(4), after(8)), Returned::Hand(10, 4));
    assert_eq!(ledger.opened(12, after(8)), Returned::Kept);
    assert!(ledger.expire(after(9), |_| true).is_empty());
    assert_eq!(ledger.expire(after(10), |_| true), [12]);
}

#[test]
fn who_had_its_turn_has_waited_for_as_long_as_the_next() {
    let start = Instant::now();
    let later = start + RESERVE_AFTER;
    let mut ledger = Ledger::<u32, u32>::new(limits(0, 1, 0));
    assert!(ledger.wait(2, start).is_ok());
    ledger.wait_first(1, later);
    assert!(ledger.wants_to_open(later));
    assert_eq!(ledger.waiting_since(), Some(start));
}

#[test]
fn the_fewest_are_kept_while_somebody_is_there() {
    let start = Instant::now();
    let later = start + Duration::from_secs(60);
    let mut ledger = Ledger::<u32, u32>::new(limits(4, 0, 3));
    assert_eq!(open_wanted(&mut ledger, start), 0, "nobody is there");
    ledger.set_in_use(true);
    assert_eq!(open_wanted(&mut ledger, start), 3);
    for connection in 0..3 {
        assert_eq!(ledger.opened(connection, start), Returned::Kept);
    }
    assert!(ledger.expire(later, |_| true).is_empty());
    assert_eq!(
        ledger.expire(later, |connection| *connection != 1),
        [1],
        "a dead one goes"
    );
    assert_eq!(open_wanted(&mut ledger, later), 1);
    ledger.not_opened();
    ledger.set_in_use(false);
    assert_eq!(ledger.expire(later, |_| true).len(), 2);
}

#[test]
fn where_the_server_refuses_one_is_tried_at_a_time() {
    let now = Instant::now();
    let mut ledger = Ledger::<u32, u32>::new(limits(4, 0, 3));
    ledger.set_in_use(true);
    assert_eq!(open_wanted(&mut ledger, now), 3);
    for _ in 0..3 {
        ledger.failed(false, now);
    }
    assert!(ledger.is_refused());
    assert_eq!(open_wanted(&mut ledger, now), 1);
    assert_eq!(ledger.opened(1, now), Returned::Kept);
    assert!(!ledger.is_refused());
    assert_eq!(open_wanted(&mut ledger, now), 2);
}

#[test]
fn what_may_pass_is_tried_again_later() {
    let start = Instant::now();
    let mut ledger = Ledger::<u32, u32>::new(limits(4, 0, 0));
    assert!(ledger.wait(1, start).is_ok());
    ledger.opening();
    assert!(!ledger.failed(true, start), "who waits waits on");
    let almost = start + RETRY_AFTER.checked_sub(Duration::from_millis(1)).unwrap();
    assert!(!ledger.wants_to_open(almost));
    assert!(ledger.wants_to_open(start + RETRY_AFTER));
    ledger.opening();
    assert!(ledger.failed(false, start + RETRY_AFTER), "what does not pass is told");
}

proptest! {
    /// Whatever happens in whatever order: there are never more than the size but for those who have waited for long, never
    /// more than with the reserve, and time takes none of the fewest.
    #[test]
    #[allow(clippy::collapsible_match, reason = "one arm for each move")]
    fn the_bounds_hold(
        moves in proptest::collection::vec((0_u8..7, 0_usize..4, 0_u64..4), 0..200),
        size in 0_usize..4, reserve in 0_usize..3, min in 0_usize..4,
    ) {
        let min = min.min(size);
        let mut ledger = Ledger::<u32, usize>::new(limits(size, reserve, min));
        ledger.set_in_use(true);
        let mut now = Instant::now();
        let mut closed_until = now;
        let (mut lent, mut next) = (0, 0);
        let mut waiting: Vec<(usize, Instant)> = Vec::new();
        for (what, which, seconds) in moves {
            now += Duration::from_secs(seconds);
            let before = ledger.counts();
            match what {
                0 => if ledger.lend(|_| true).is_some() {
                    lent += 1;
                } else {
                    next += 1;
                    prop_assert!(ledger.wait(next, now).is_ok());
                    waiting.push((next, now));
                },
                1 if ledger.wants_to_open(now) => {
                    prop_assert!(now >= closed_until);
                    let open = before.lent + before.idle + before.opening;
                    let is_overdue = waiting.get(before.opening).is_some_and(|(_, since)| now.duration_since(*since) >= RESERVE_AFTER);
                    prop_assert!(open < size || (is_overdue && open < size + reserve));
                    prop_assert!(before.waiting > before.opening || open < min);
                    ledger.opening();
                    prop_assert!(ledger.needs_opening());
                },
                2 if before.opening > 0 => match ledger.opened(0, now) {
                    Returned::Hand(..) => { lent += 1; waiting.remove(0); }
                    Returned::Kept => {}
                    Returned::Close(_) => prop_assert!(false, "what was ordered fits"),
                },
                3 if before.opening > 0 => if ledger.failed(which == 0, now) {
                    prop_assert!(which != 0 && before.lent == 0);
                    ledger.dismiss().for_each(drop);
                    waiting.clear();
                } else if which == 0 {
                    closed_until = now + RETRY_AFTER;
                } else {
                    closed_until = now;
                },
                4 if lent > 0 => match ledger.take_back(0, now, now) {
                    Returned::Hand(..) => drop(waiting.remove(0)),
                    Returned::Kept | Returned::Close(_) => lent -= 1,
                },
                5 => {
                    let gone = ledger.expire(now, |_| true).len();
                    prop_assert!(gone == 0 || before.lent + before.idle - gone >= min);
                }
                6 if !waiting.is_empty() => {
                    let (who, _) = waiting.remove(which % waiting.len());
                    prop_assert!(ledger.leave(|waiter| *waiter == who));
                },
                _ => {}
            }
            if what == 2 && before.opening > 0 { closed_until = now; }
            let counts = ledger.counts();
            prop_assert_eq!((counts.lent, counts.waiting), (lent, waiting.len()));
            prop_assert!(counts.lent + counts.idle + counts.opening <= size + reserve);
        }
    }
}
