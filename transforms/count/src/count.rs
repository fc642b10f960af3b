use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use tidegate_chain::{
    Exchange, ExchangeId, Factory, Facts, Flow, Interest, Need, Outcome, Part, Reply, Transform, Verb,
};
use tidegate_telemetry::Registry;

use crate::CountConfig;
use crate::shard::{Families, Shard};

/// More threads than there can be cores; whoever comes after them shares the last set of counters.
const MOST_SHARDS: usize = 64;
/// What a step must be shown.
const INTEREST: Interest = Interest {
    request: Need::Facts,
    reply: Need::Head,
    push: Need::Pass,
};

/// Makes the steps of one chain.
#[derive(Debug)]
pub struct Count {
    chain: Arc<str>,
    families: Families,
    /// One per thread that has made a step; locked when a session starts, never on its way.
    shards: Mutex<Vec<(ThreadId, Arc<Shard>)>>,
}

impl Count {
    /// The transform in the chain of this listener.
    pub fn new(config: &CountConfig, listener: &str, registry: &Registry) -> Self {
        Self {
            chain: Arc::from(config.name.as_deref().unwrap_or(listener)),
            families: Families::new(registry),
            shards: Mutex::default(),
        }
    }

    /// The calling thread's counters: a session is made on the core that it stays on.
    fn shard(&self) -> Arc<Shard> {
        let thread = thread::current().id();
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = shards.len() >= MOST_SHARDS;
        let known = shards.iter().find(|(id, _)| *id == thread);
        if let Some((_, shard)) = known.or(shards.last().filter(|_| is_full)) {
            return Arc::clone(shard);
        }
        let shard = Arc::new(Shard::new(&self.families, Arc::clone(&self.chain)));
        shards.push((thread, Arc::clone(&shard)));
        shard
    }
}

impl Factory for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn interest(&self) -> Interest {
        INTEREST
    }

    fn step(&self) -> Box<dyn Transform> {
        Box::new(Step(self.shard()))
    }
}

/// One session's step.
struct Step(Arc<Shard>);

impl Transform for Step {
    fn interest(&self) -> Interest {
        INTEREST
    }

    fn on_request(&mut self, _: ExchangeId, exchange: &mut dyn Exchange) -> Flow {
        let facts = exchange.facts();
        if !facts.flags.continues {
            self.0.asked(verb_of(&facts));
        }
        Flow::Next { reply: Need::Head }
    }

    fn on_reply(&mut self, _: ExchangeId, part: Part<'_>) -> Reply {
        if let Some(Outcome::Failed(code)) = part.end {
            self.0.failed(code);
        }
        Reply::Pass
    }
}

/// An exchange counts once, as its most consequential statement.
fn verb_of(facts: &Facts<'_>) -> Verb {
    let verbs = facts.statements.iter().map(|statement| statement.verb);
    verbs.max_by_key(|verb| consequence(*verb)).unwrap_or_default()
}

fn consequence(verb: Verb) -> u8 {
    match verb {
        Verb::Unknown => 0,
        Verb::Transaction => 1,
        Verb::Session => 2,
        Verb::Read => 3,
        Verb::Publish => 4,
        Verb::Write => 5,
        Verb::Define => 6,
        Verb::Administer => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_one_thread_share_their_counters() {
        let count = Count::new(&CountConfig::default(), "main", &Registry::new());
        for _ in 0..10_000 {
            drop(count.step());
        }
        assert_eq!(count.shards.lock().unwrap().len(), 1);
        for _ in 0..2 * MOST_SHARDS {
            thread::scope(|scope| drop(scope.spawn(|| drop(count.step()))));
        }
        assert_eq!(count.shards.lock().unwrap().len(), MOST_SHARDS);
    }
}
