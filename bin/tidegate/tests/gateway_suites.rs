//! Every suite of the kit through the gateway, in session and in transaction mode: what passes on
//! a direct connection must pass here too.

use tidegate_kit::{Certificates, Mode, Postgres, Settings, Target, suites};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

fn gateway(mode: Mode, suite: impl Fn(&Target)) {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, mode);
    let _gateway = settings.start(TIDEGATE);
    suite(&settings.target());
}

/// Clients verify the gateway in full, and the gateway verifies PostgreSQL in full.
fn gateway_tls(mode: Mode, suite: impl Fn(&Target)) {
    let certificates = Certificates::new();
    let ca = certificates.ca();
    let postgres = Postgres::builder()
        .tls(&certificates.server_for("postgres", &["127.0.0.1"]))
        .access("hostnossl all app all reject")
        .start();
    let settings = Settings::new(&postgres, mode)
        .tls(&certificates.server(), &ca)
        .cluster(&format!("tls: {{ mode: verify-full, ca: {} }}", ca.display()));
    let _gateway = settings.start(TIDEGATE);
    suite(&settings.target());
}

macro_rules! suites {
    ($($name:ident: $run:ident, $mode:ident, $suite:ident;)*) => {
        $(
            #[test]
            fn $name() {
                $run(Mode::$mode, suites::$suite);
            }
        )*
    };
}

suites! {
    gateway_psql_session: gateway, Session, psql;
    gateway_psql_transaction: gateway, Transaction, psql;
    gateway_psql_transaction_tls: gateway_tls, Transaction, psql;
    gateway_pgbench_session: gateway, Session, pgbench;
    gateway_pgbench_transaction: gateway, Transaction, pgbench;
    gateway_pgbench_transaction_tls: gateway_tls, Transaction, pgbench;
    gateway_tokio_postgres_session: gateway, Session, tokio_postgres;
    gateway_tokio_postgres_transaction: gateway, Transaction, tokio_postgres;
    gateway_sqlx_session: gateway, Session, sqlx;
    gateway_sqlx_transaction: gateway, Transaction, sqlx;
    gateway_psycopg_session: gateway, Session, psycopg;
    gateway_psycopg_transaction: gateway, Transaction, psycopg;
    gateway_psycopg_session_tls: gateway_tls, Session, psycopg;
    gateway_asyncpg_session: gateway, Session, asyncpg;
    gateway_asyncpg_transaction: gateway, Transaction, asyncpg;
    gateway_asyncpg_transaction_tls: gateway_tls, Transaction, asyncpg;
    gateway_node_pg_session: gateway, Session, node_pg;
    gateway_node_pg_transaction: gateway, Transaction, node_pg;
    gateway_node_pg_transaction_tls: gateway_tls, Transaction, node_pg;
    gateway_node_postgres_session: gateway, Session, node_postgres;
    gateway_node_postgres_transaction: gateway, Transaction, node_postgres;
    gateway_node_postgres_transaction_tls: gateway_tls, Transaction, node_postgres;
    gateway_pgjdbc_session: gateway, Session, pgjdbc;
    gateway_pgjdbc_transaction: gateway, Transaction, pgjdbc;
    gateway_pgjdbc_transaction_tls: gateway_tls, Transaction, pgjdbc;
}
