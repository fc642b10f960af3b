//! Every suite against PostgreSQL itself: what fails here is a mistake of the suite.

use tidegate_kit::{Certificates, Postgres, Target, Tls, suites};

fn direct(suite: impl Fn(&Target)) {
    suite(&Postgres::start().target());
}

/// With TLS verified in full, on a server that takes nothing else.
fn direct_tls(suite: impl Fn(&Target)) {
    let certificates = Certificates::new();
    let postgres = Postgres::builder()
        .tls(&certificates.server())
        .access("hostnossl all app all reject")
        .start();
    suite(&postgres.target().with_tls(Tls::VerifyFull(certificates.ca())));
}

#[test]
fn direct_psql() {
    direct(suites::psql);
}

#[test]
fn direct_pgbench() {
    direct(suites::pgbench);
}

#[test]
fn direct_pgbench_tls() {
    direct_tls(suites::pgbench);
}

#[test]
fn direct_tokio_postgres() {
    direct(suites::tokio_postgres);
}

#[test]
fn direct_psycopg() {
    direct(suites::psycopg);
    direct_tls(suites::psycopg);
}

#[test]
fn direct_asyncpg() {
    direct(suites::asyncpg);
    direct_tls(suites::asyncpg);
}

#[test]
fn direct_node_pg() {
    direct(suites::node_pg);
    direct_tls(suites::node_pg);
}

#[test]
fn direct_node_postgres() {
    direct(suites::node_postgres);
    direct_tls(suites::node_postgres);
}

#[test]
fn direct_pgjdbc() {
    direct(suites::pgjdbc);
    direct_tls(suites::pgjdbc);
}
