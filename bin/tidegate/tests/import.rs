//! Foreign configurations, turned into ours.

mod common;

use common::{Folder, tidegate};

const NUTCRACKER: &str = "\
alpha:
  listen: 127.0.0.1:22121
  redis: true
  backlog: 1024
  hash_tag: \"{}\"
  redis_auth: secret
  auto_eject_hosts: true
  server_failure_limit: 3
  server_connections: 2
  timeout: 400
  servers:
    - 127.0.0.1:6379:1 one
    - /run/redis.sock:2
";

#[test]
fn warnings_are_told_beside_the_configuration() {
    let folder = Folder::new();
    folder.write("nutcracker.yml", NUTCRACKER);
    let imported = tidegate(&folder, &["import", "twemproxy", "nutcracker.yml"]);
    let imported = imported.ends(0);
    assert!(
        imported.stdout.starts_with("# Made from nutcracker.yml"),
        "{}",
        imported.stdout
    );
    let lines: Vec<_> = imported
        .stderr
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(lines, ["nutcracker.yml:4", "nutcracker.yml:7", "nutcracker.yml:9"]);
}

#[test]
fn mistakes_are_told_and_nothing_is_written() {
    let folder = Folder::new();
    folder.write("nutcracker.yml", "alpha:\n  listen: 127.0.0.1:22121\n  reddis: true\n");
    let imported = tidegate(&folder, &["import", "twemproxy", "nutcracker.yml"]);
    let imported = imported.ends(1);
    assert_eq!(imported.stdout, "");
    let told = "nutcracker.yml:3:3: `reddis` is no key of twemproxy; did you mean `redis`?";
    assert!(imported.stderr.contains(told), "{}", imported.stderr);
    let missing = tidegate(&folder, &["import", "twemproxy", "none.yml"]);
    assert!(missing.ends(1).stderr.starts_with("tidegate: cannot read none.yml: "));
}

#[test]
fn what_is_written_is_a_configuration() {
    let folder = Folder::new();
    folder.write("nutcracker.yml", NUTCRACKER);
    let imported = tidegate(&folder, &["import", "twemproxy", "nutcracker.yml"]);
    folder.write("tidegate.yaml", &imported.ends(0).stdout);
    let checked = tidegate(&folder, &["check", "-c", "tidegate.yaml"]);
    assert_eq!(checked.stderr, "");
    checked.ends(0);
}
