//! A fake exchange, and a chain that runs exchanges.
#![allow(dead_code)] // a module of several test binaries; each uses its part

use std::sync::Arc;

use tidegate_base::Refusal;
use tidegate_chain::{Chain, Exchange, Factory, Facts, Flags, Outcome, Part, Statement, Verb};
use tidegate_count::{Count, CountConfig};
use tidegate_telemetry::Registry;

/// A request that is nothing but its description.
pub(crate) struct Asked<'a> {
    pub(crate) statements: &'a [Statement<'a>],
    pub(crate) continues: bool,
}

impl Exchange for Asked<'_> {
    fn facts(&mut self) -> Facts<'_> {
        Facts {
            statements: self.statements,
            flags: Flags {
                continues: self.continues,
                ..Flags::default()
            },
            ..Facts::default()
        }
    }
    fn request(&self) -> &[u8] {
        &[]
    }
    fn refuse(&mut self, _: Refusal) {}
    fn replay(&mut self, _: &[u8]) {}
}

pub(crate) fn chain(config: &CountConfig, registry: &Registry) -> Chain {
    let count: Arc<dyn Factory> = Arc::new(Count::new(config, "main", registry));
    Chain::build(&[count]).expect("count wants to see something")
}

pub(crate) fn statement(verb: Verb) -> Statement<'static> {
    Statement {
        verb,
        ..Statement::default()
    }
}

/// One whole exchange.
pub(crate) fn exchange(chain: &mut Chain, statements: &[Statement<'_>], outcome: Outcome<'_>) {
    let id = chain.next_id();
    let mut asked = Asked {
        statements,
        continues: false,
    };
    chain.request(id, &mut asked);
    chain.reply(Part {
        is_cut: false,
        bytes: &[],
        end: Some(outcome),
    });
}
