use super::*;

type Names = Quotas<&'static str>;

fn is_served(claim: &mut Claim<&'static str>) -> Option<Share<&'static str>> {
    match Pin::new(claim).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(share) => Some(share),
        Poll::Pending => None,
    }
}

#[test]
fn all_or_none_and_the_oldest_first() {
    let now = Instant::now();
    let quotas = Names::new(now);
    let (a, b) = (quotas.set(&"a", 1), quotas.set(&"b", 1));
    let both = quotas.take(&["a", "b"]).unwrap();
    assert!(quotas.take(&["a"]).is_none() && quotas.take(&["c"]).is_some());
    let (mut first, mut second) = (quotas.claim(&["a", "b"], now), quotas.claim(&["a"], now));
    assert!(is_served(&mut first).is_none() && is_served(&mut second).is_none());
    assert!(a.is_so() && b.is_so());
    drop(both);
    let first = is_served(&mut first).unwrap();
    assert!(is_served(&mut second).is_none(), "the first has it");
    assert!(a.is_so() && !b.is_so());
    drop(first);
    assert!(is_served(&mut second).is_some());
    assert!(!a.is_so());
    assert_eq!((quotas.held(&"a"), quotas.held(&"b")), (0, 0));
}

#[test]
fn who_leaves_takes_nothing_along() {
    let now = Instant::now();
    let quotas = Names::new(now);
    let starved = quotas.set(&"a", 1);
    let held = quotas.take(&["a"]).unwrap();
    let (first, mut second) = (quotas.claim(&["a"], now), quotas.claim(&["a"], now));
    let third = quotas.claim(&["a"], now);
    drop(third);
    drop(held);
    // Granted, and never asked for.
    drop(first);
    assert!(is_served(&mut second).is_some());
    assert!(!starved.is_so());
}

#[test]
fn a_limit_that_is_raised_serves_at_once() {
    let now = Instant::now();
    let quotas = Names::new(now);
    drop(quotas.set(&"a", 1));
    let held = quotas.take(&["a"]).unwrap();
    let mut claim = quotas.claim(&["a"], now);
    drop(quotas.set(&"a", 2));
    let second = is_served(&mut claim);
    assert!(second.is_some());
    drop((held, second));
    assert_eq!(quotas.held(&"a"), 0);
}

#[test]
fn limits_that_nobody_has_anything_of_are_forgotten() {
    let quotas = Quotas::<usize>::new(Instant::now());
    let kept = quotas.set(&0, 1);
    drop(quotas.set(&1, 1));
    let held = quotas.take(&[1]).unwrap();
    for key in 2..1000 {
        drop(quotas.set(&key, 1));
    }
    let known = || quotas.shared.books().lines.len();
    assert!(known() <= FEW, "{}", known());
    assert!(quotas.take(&[1]).is_none(), "still held");
    drop((kept, held));
}

#[test]
fn those_who_wait_for_long_get_their_turn_now_and_then() {
    let start = Instant::now();
    let after = |millis: u64| start + Duration::from_millis(millis);
    let quotas = Names::new(start);
    let starved = quotas.set(&"a", 1);
    let _held = quotas.take(&["a"]);
    let patience = Duration::from_millis(100);
    let is_turn = |own: u64, now: u64| quotas.is_turn_of(&starved, after(own), after(now), patience);
    assert!(!is_turn(50, 500), "nobody waits");
    let _claim = quotas.claim(&["a"], after(10));
    assert!(!is_turn(50, 100), "not yet");
    assert!(!is_turn(5, 200), "one's own waits for longer");
    assert!(is_turn(50, 200));
    assert!(!is_turn(50, 250), "one at a time");
    assert!(is_turn(50, 301));
}

/// Whoever takes, waits and leaves in whatever order: no limit is ever passed, and at the end nothing is held.
#[test]
fn limits_hold_over_threads() {
    let quotas = Arc::new(Quotas::<usize>::new(Instant::now()));
    let _lines = [quotas.set(&0, 2), quotas.set(&1, 3)];
    let threads: Vec<_> = (0..4_usize)
        .map(|seed| {
            let quotas = Arc::clone(&quotas);
            std::thread::spawn(move || {
                let mut served = 0_usize;
                for turn in 0..500_usize {
                    let keys: &[usize] = [&[0][..], &[1], &[0, 1]][(seed + turn) % 3];
                    let mut claim = quotas.claim(keys, Instant::now());
                    let mut tries = 0;
                    while tries < 1000 + seed {
                        if let Poll::Ready(share) = Pin::new(&mut claim).poll(&mut Context::from_waker(Waker::noop())) {
                            assert!(quotas.held(&0) <= 2 && quotas.held(&1) <= 3);
                            served += 1;
                            drop(share);
                            break;
                        }
                        tries += 1;
                        std::thread::yield_now();
                    }
                }
                served
            })
        })
        .collect();
    let served: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(served > 0);
    assert_eq!((quotas.held(&0), quotas.held(&1)), (0, 0));
}

/// However many others have limits and wait for theirs: what comes back is held against those who wait for it, and no further
/// than it suffices.
#[test]
fn others_are_not_looked_at() {
    const MANY: usize = 1000;
    let now = Instant::now();
    let quotas = Quotas::<usize>::new(now);
    let lines: Vec<_> = (0..MANY).map(|key| quotas.set(&key, 1)).collect();
    let held: Vec<_> = (0..MANY).filter_map(|key| quotas.take(&[key])).collect();
    assert_eq!(held.len(), MANY);
    let claims: Vec<_> = (0..2 * MANY)
        .map(|which| quotas.claim(&[which % MANY, MANY], now))
        .collect();
    assert!(
        lines
            .iter()
            .all(|line| line.is_so() && line.wanted.load(Ordering::Relaxed) == 2)
    );
    let looked = || quotas.shared.books().looked;
    let before = looked();
    drop(held);
    assert_eq!(looked() - before, MANY as u64, "one for each that came back");
    drop(claims);
    assert!(looked() - before <= 3 * MANY as u64, "{}", looked() - before);
    assert!(lines.iter().all(|line| !line.is_so()));
    assert_eq!(quotas.held(&MANY), 0);
}

/// As many are closed as somebody waits for, those included that are closed for another reason.
#[test]
fn one_is_closed_for_each_who_waits() {
    let now = Instant::now();
    let quotas = Names::new(now);
    let starved = quotas.set(&"a", 1);
    let held = quotas.take(&["a"]);
    assert!(starved.close_wanted().is_none(), "nobody waits");
    let claims = [(); 2].map(|()| quotas.claim(&["a"], now));
    let other = starved.close();
    let closing = starved.close_wanted();
    assert!(closing.is_some() && starved.close_wanted().is_none());
    drop(other);
    assert!(starved.close_wanted().is_some());
    drop(closing);
    drop((claims, held));
    assert!(starved.close_wanted().is_none());
}
