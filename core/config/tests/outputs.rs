//! What is made from a schema: the effective configuration, the default file, the reference page.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod sample;

use sample::{check, prepared, schema};
use tidegate_config::{default_file, effective, reference};

#[test]
fn the_effective_configuration_has_defaults_and_no_secrets() {
    let text = "\
clusters: { a: { endpoints: [ { address: 'a:1', weight: 2 } ], password: hunter2 } }
listeners:
  'on':
    protocol: postgres
    address: 127.0.0.1:5432
    pre_auth_timeout: 0
    login: { method: scram-sha-256, users: { a: { password: '123' } } }
    chain: [ count: {} ]
";
    let document = prepared("t.yaml", text, &[]).unwrap();
    let expected = "\
log:
  level: info
  format: text
listeners:
  \"on\":
    protocol: postgres
    address: \"127.0.0.1:5432\"
    max_clients: 10000
    pre_auth_timeout: \"0\"
    login:
      method: scram-sha-256
      users:
        a:
          password: \"***\"
    chain:
      - count: {}
clusters:
  a:
    endpoints:
      - address: a:1
        weight: 2
        enabled: true
    password: \"***\"
";
    let told = effective(&document, &schema());
    assert_eq!(told, expected);
    // It is a configuration itself, and shows as the same again.
    let again = prepared("t.yaml", &told, &[]).unwrap();
    assert_eq!(effective(&again, &schema()), expected);
}

#[test]
fn the_default_file_is_valid_and_tells_every_key() {
    let text = default_file(&schema());
    check("t.yaml", &text, &[], &[]);
    let beginning = "\
# The whole configuration.

# Logs.
log:
  # What is logged.
  level: info
  # How it is written.
  # One of: text, json.
  format: text

# Where clients come in, by name.
listeners:
  main:
    protocol: postgres
    # Where to listen.
    address: \"127.0.0.1:6432\"
    # Most clients at a time.
    max_clients: 10000
    # How long a client may take before it is logged in.
    pre_auth_timeout: 15s
    # Largest read.
    # buffer: 64KiB
    # TLS towards clients.
    # tls:
    #   # What clients may do.
    #   # One of: disable, allow, require.
    #   mode: disable
";
    assert!(text.starts_with(beginning), "{text}");
    // With the marks of one level taken away, what was commented out is valid too.
    let opened: String = text
        .lines()
        .map(|line| match line.split_once("# ") {
            Some((lead, rest)) if rest.contains(':') || rest.starts_with("  ") || rest.starts_with("- ") => {
                format!("{lead}{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .filter(|line| !line.contains("One of:") && !line.contains("Threads:"))
        .collect();
    check("t.yaml", &opened, &[("SECRET", "x")], &[]);
    assert!(opened.contains("\nclusters:\n  name:\n"), "{opened}");
}

#[test]
fn the_reference_names_every_key() {
    let page = reference(&schema());
    for line in [
        "## `listeners.<name>` with `protocol: postgres`",
        "| `max_clients` | whole number | `10000` | Most clients at a time. |",
        "| `mode` | `disable` or `allow` or `require` | required | What clients may do. |",
        "| `format` | `text` or `json` | `text` | How it is written.<br>`text`: For people.<br>`json`: For machines. |",
        "## `listeners.<name>.login` with `method: scram-sha-256`",
        "| `password` | secret | required | Its password. |",
        "## `listeners.<name>.chain[].limit`",
        "| `endpoints` | list of map | required | Where. |",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
    assert_eq!(page, reference(&schema()));
}
