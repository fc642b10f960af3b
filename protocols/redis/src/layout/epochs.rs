use std::time::{Duration, Instant};

/// How long only older news must be heard, from nearly everyone, before it is believed.
const BELIEF: Duration = Duration::from_secs(5);

/// Keeps an old truth from undoing a newer one. Clusters and sentinels count their changes; who was cut off from the
/// others tells of fewer.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    highest: Option<u64>,
    /// Since when only older ones have been heard.
    older_since: Option<Instant>,
}

impl Epochs {
    /// Whether to believe news of this epoch, the highest that was heard from `heard` out of `asked`. What is older is
    /// believed only when most of them say nothing newer, for a while: then they were set up anew.
    pub(super) fn admit(&mut self, epoch: u64, heard: usize, asked: usize, now: Instant) -> bool {
        if self.highest.is_none_or(|highest| epoch >= highest) {
            self.highest = Some(epoch);
            self.older_since = None;
            return true;
        }
        if heard * 2 <= asked {
            self.older_since = None;
            return false;
        }
        let since = *self.older_since.get_or_insert(now);
        let is_believed = now.saturating_duration_since(since) >= BELIEF;
        if is_believed {
            *self = Self {
                highest: Some(epoch),
                older_since: None,
            };
        }
        is_believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_news_are_believed_when_most_say_so_for_a_while() {
        let (mut epochs, start) = (Epochs::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(epochs.admit(5, 1, 3, at(0)));
        assert!(
            !epochs.admit(4, 1, 3, at(1)) && !epochs.admit(4, 1, 3, at(60)),
            "one who was cut off"
        );
        assert!(!epochs.admit(4, 2, 3, at(61)) && !epochs.admit(4, 3, 3, at(65)));
        assert!(!epochs.admit(4, 1, 3, at(67)), "the others are silent now");
        assert!(!epochs.admit(4, 3, 3, at(68)) && epochs.admit(4, 3, 3, at(73)));
        assert!(epochs.admit(4, 1, 3, at(74)) && epochs.admit(6, 1, 3, at(75)));
        assert!(!epochs.admit(5, 1, 3, at(76)));
    }
}
