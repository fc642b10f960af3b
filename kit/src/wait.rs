use std::time::{Duration, Instant};

/// Polls `condition` until it holds, and says whether it did before `limit`.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Polls `condition` for thirty seconds and fails the test with `what` when it never holds.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(
        wait_until(Duration::from_secs(30), condition),
        "not within 30 s: {what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_whether_the_condition_came_true() {
        let mut calls = 0;
        assert!(wait_until(Duration::from_secs(5), || {
            calls += 1;
            calls == 3
        }));
        assert!(!wait_until(Duration::from_millis(20), || false));
    }
}
