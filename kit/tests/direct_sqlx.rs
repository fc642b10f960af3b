//! The sqlx suite against PostgreSQL itself.

use tidegate_kit::{Postgres, suites};

#[test]
fn direct_sqlx() {
    suites::sqlx(&Postgres::start().target());
}
