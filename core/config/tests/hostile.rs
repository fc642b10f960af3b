//! No text makes it panic, hang or grow.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod sample;

use proptest::prelude::*;
use sample::{prepared, schema};
use tidegate_config::{Document, effective, report_with_source};

/// The one helper: everything that can be done with a text.
fn swallow(name: &str, text: &str) {
    let _ = prepared(name, text, &[("TIDEGATE_LISTENERS__MAIN__ADDRESS", "x"), ("A", "b")]);
    if let Ok(mut document) = Document::parse(name, text) {
        let variables = sample::environment(&[("A", "b")]);
        let mut told = document.resolve(&schema(), &variables, sample::OVERRIDES);
        told.extend(tidegate_config::check(&document, &schema()));
        let _ = report_with_source(&told, &document);
        let _ = effective(&document, &schema());
        let _ = tidegate_config::decode::<sample::Config>(&document);
    }
}

/// Pieces that real files are made of, in no order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "listeners",
        "main",
        "clusters",
        "login",
        "users",
        "tls",
        "mode",
        "protocol",
        "postgres",
        "chain",
        "count",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        "\"",
        "&a ",
        "*a",
        "? ",
        "| ",
        "> ",
        "!!str ",
        "!x ",
        "---",
        "...",
        "${A}",
        "${",
        "$",
        "null",
        "0",
        "1.5",
        "true",
        "#",
        "=",
        ".",
        "[[",
        "]]",
        "\"\"\"",
        "\t",
        "\r",
        "ä",
        "%YAML 1.2\n",
        "<<",
        "0x",
        "-1e9",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        swallow("t.yaml", &text);
        swallow("t.toml", &text);
    }

    #[test]
    fn nearly_files(text in pieces()) {
        swallow("t.yaml", &text);
        swallow("t.toml", &text);
    }
}
