//! The README's example, run; and what it does not show.

mod common;

use common::{Asked, chain, exchange, statement};
use serde::Deserialize;
use tidegate_chain::{Outcome, Statement, Verb};
use tidegate_config::Document;
use tidegate_count::CountConfig;
use tidegate_telemetry::Registry;

/// The README's fenced blocks, in order.
fn blocks() -> Vec<String> {
    let mut parts = include_str!("../README.md").split("```").skip(1).step_by(2);
    let block = |part: &str| part.split_once('\n').map(|(_, text)| text.to_owned());
    parts.by_ref().filter_map(block).collect()
}

fn config(yaml: &str) -> CountConfig {
    let document = Document::parse("README.yaml", yaml).expect("YAML");
    let count = document.node("chain[0].count").expect("a step").to_json();
    CountConfig::deserialize(count).expect("the step's configuration")
}

#[test]
fn the_example_is_true() {
    let blocks = blocks();
    let [yaml, before, after] = &blocks[..] else {
        panic!("three blocks expected: {blocks:?}");
    };
    let registry = Registry::new();
    let mut chain = chain(&config(yaml), &registry);
    for line in before.lines() {
        let (words, code) = line.split_once(" -> ").unwrap_or((line, ""));
        let verb = |word: &str| Verb::ALL.into_iter().find(|verb| verb.label() == word).expect(word);
        let statements: Vec<Statement<'_>> = words.split(' ').map(|word| statement(verb(word))).collect();
        let outcome = if code.is_empty() {
            Outcome::Done
        } else {
            Outcome::Failed(code)
        };
        exchange(&mut chain, &statements, outcome);
    }
    let shown = registry.render();
    let mut counted: Vec<&str> = shown
        .lines()
        .filter(|l| !l.starts_with('#') && !l.ends_with(" 0"))
        .collect();
    let mut expected: Vec<&str> = after.lines().collect();
    counted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(counted, expected);
}

#[test]
fn a_request_in_parts_counts_once_and_the_listener_names_the_chain() {
    let registry = Registry::new();
    let mut chain = chain(&CountConfig::default(), &registry);
    let id = chain.next_id();
    for continues in [false, true, true] {
        let statements = &[statement(Verb::Read)];
        chain.request(id, &mut Asked { statements, continues });
    }
    let expected = "tidegate_count_requests_total{chain=\"main\",verb=\"read\"} 1\n";
    assert!(registry.render().contains(expected));
}

#[test]
fn cores_are_summed() {
    let registry = Registry::new();
    let count = std::sync::Arc::new(tidegate_count::Count::new(&CountConfig::default(), "main", &registry));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let factory: std::sync::Arc<dyn tidegate_chain::Factory> = count.clone();
                for _ in 0..250 {
                    let mut chain = tidegate_chain::Chain::build(&[std::sync::Arc::clone(&factory)]).expect("chain");
                    exchange(&mut chain, &[statement(Verb::Write)], Outcome::Done);
                }
            });
        }
    });
    let expected = "tidegate_count_requests_total{chain=\"main\",verb=\"write\"} 1000\n";
    assert!(registry.render().contains(expected));
}
