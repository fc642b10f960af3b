//! Drivers in other languages: the checks are in `kit/drivers`, one program per driver.

use crate::drivers::run;
use crate::{Drivers, Target};

/// psycopg 3: types, transactions, named cursors, pipeline mode, COPY, cancel, notifications.
#[track_caller]
pub fn psycopg(target: &Target) {
    if Drivers::skipped() {
        return;
    }
    let checks = [
        "types",
        "prepared",
        "transactions",
        "errors",
        "cursors",
        "pipeline",
        "copy",
        "cancel",
    ];
    run(Drivers::find().python("psycopg_suite.py"), target, &checks);
}

/// asyncpg: types, its statement cache, transactions, cursors, COPY, pool, cancel.
#[track_caller]
pub fn asyncpg(target: &Target) {
    if Drivers::skipped() {
        return;
    }
    let checks = [
        "types",
        "prepared",
        "transactions",
        "errors",
        "cursors",
        "copy",
        "pool",
        "cancel",
    ];
    run(Drivers::find().python("asyncpg_suite.py"), target, &checks);
}

/// node-postgres (`pg`): types, named statements, transactions, errors, pool.
#[track_caller]
pub fn node_pg(target: &Target) {
    if Drivers::skipped() {
        return;
    }
    let checks = ["types", "prepared", "transactions", "errors", "pool", "large", "cancel"];
    run(Drivers::find().node("pg_suite.cjs"), target, &checks);
}

/// Postgres.js (`postgres`): types, implicit pipelines and statements, transactions, cursors, COPY.
#[track_caller]
pub fn node_postgres(target: &Target) {
    if Drivers::skipped() {
        return;
    }
    let checks = [
        "types",
        "prepared",
        "pipeline",
        "transactions",
        "errors",
        "cursors",
        "copy",
        "cancel",
    ];
    run(Drivers::find().node("postgres_suite.cjs"), target, &checks);
}

/// pgjdbc: `prepareThreshold` 1, 5 and 0, batches, fetch size, `COPY`, savepoints, cancel.
#[track_caller]
pub fn pgjdbc(target: &Target) {
    if Drivers::skipped() {
        return;
    }
    let checks = [
        "types",
        "prepared",
        "batch",
        "transactions",
        "errors",
        "cursors",
        "copy",
        "cancel",
    ];
    run(Drivers::find().java("Suite.java"), target, &checks);
}
