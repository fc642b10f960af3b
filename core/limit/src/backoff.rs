use std::time::Duration;

/// How long to wait before the next try: `first × multiplier^n`, up to a cap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The wait before the first retry.
    pub first: Duration,
    /// By how much each wait grows.
    pub multiplier: f64,
    /// The longest wait; none where caps are switched off.
    pub cap: Option<Duration>,
}

impl Backoff {
    /// The wait before retry number `retry`, counted from 0.
    pub fn wait(&self, retry: u32) -> Duration {
        let factor = self.multiplier.max(1.0).powi(i32::try_from(retry).unwrap_or(i32::MAX));
        let seconds = self.first.as_secs_f64() * factor;
        let limit = self.cap.unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
        if seconds >= limit.as_secs_f64() {
            limit
        } else {
            Duration::from_secs_f64(seconds)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(backoff: Backoff, expected_ms: &[u128]) {
        for (retry, expected) in (0_u32..).zip(expected_ms) {
            assert_eq!(backoff.wait(retry).as_millis(), *expected, "retry {retry}");
        }
    }

    #[test]
    fn grows_to_the_cap() {
        let first = Duration::from_millis(100);
        let capped = Backoff {
            first,
            multiplier: 2.0,
            cap: Some(Duration::from_millis(500)),
        };
        check(capped, &[100, 200, 400, 500, 500]);
        assert_eq!(capped.wait(u32::MAX), Duration::from_millis(500));
        let uncapped = Backoff { cap: None, ..capped };
        check(uncapped, &[100, 200, 400, 800, 1600]);
        let shrinking = Backoff {
            multiplier: 0.5,
            ..capped
        };
        check(shrinking, &[100, 100]);
    }
}
