use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection as _, Error, PgConnection, PgPool, Row as _};

use crate::{Target, Tls, block_on};

/// sqlx: its cache of prepared statements, transactions with savepoints, its pool, COPY, errors.
/// Built without TLS.
#[track_caller]
pub fn sqlx(target: &Target) {
    block_on(async {
        let options = options(target);
        cache(&options).await.unwrap_or_else(failed("cache"));
        transactions(&options).await.unwrap_or_else(failed("transactions"));
        pool(&options).await.unwrap_or_else(failed("pool"));
        copies(&options).await.unwrap_or_else(failed("copy"));
    });
}

fn failed(what: &str) -> impl Fn(Error) {
    move |error| panic!("sqlx, {what}: {error}")
}

fn options(target: &Target) -> PgConnectOptions {
    assert_eq!(target.tls, Tls::Off, "the suite is built without TLS");
    let options = PgConnectOptions::from_str(&target.uri());
    let options = options.unwrap_or_else(|e| panic!("{}: {e}", target.uri()));
    options.password(&target.password).ssl_mode(PgSslMode::Disable)
}

/// More statements than the cache holds, so that Close messages are sent too.
async fn cache(options: &PgConnectOptions) -> Result<(), Error> {
    let options = options.clone().statement_cache_capacity(10);
    let mut connection = PgConnection::connect_with(&options).await?;
    for round in 0..3_i32 {
        for n in 0..25_i32 {
            let sql = sqlx::AssertSqlSafe(format!("SELECT $1::int4 * 100 + {n}, $2::text"));
            let row = sqlx::query(sql)
                .bind(round)
                .bind("word")
                .fetch_one(&mut connection)
                .await?;
            assert_eq!(row.get::<i32, _>(0), round * 100 + n);
            assert_eq!(row.get::<&str, _>(1), "word");
        }
    }
    assert!(connection.cached_statements_size() <= 10);
    connection.clear_cached_statements().await?;
    let unnamed = sqlx::query("SELECT $1::int8").persistent(false).bind(7_i64);
    assert_eq!(unnamed.fetch_one(&mut connection).await?.get::<i64, _>(0), 7);
    connection.close().await
}

async fn transactions(options: &PgConnectOptions) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    sqlx::raw_sql("DROP TABLE IF EXISTS sqlx_tx; CREATE TABLE sqlx_tx (id int4 PRIMARY KEY)")
        .execute(&mut connection)
        .await?;
    let mut outer = connection.begin().await?;
    sqlx::query("INSERT INTO sqlx_tx VALUES (1)")
        .execute(&mut *outer)
        .await?;
    let mut inner = outer.begin().await?;
    let twice = sqlx::query("INSERT INTO sqlx_tx VALUES (1)").execute(&mut *inner).await;
    let code = twice
        .err()
        .and_then(|e| e.as_database_error()?.code().map(std::borrow::Cow::into_owned));
    assert_eq!(code.as_deref(), Some("23505"));
    inner.rollback().await?;
    outer.commit().await?;
    // Dropped without a commit: the rollback goes out with the next use.
    let mut dropped = connection.begin().await?;
    sqlx::query("INSERT INTO sqlx_tx VALUES (2)")
        .execute(&mut *dropped)
        .await?;
    drop(dropped);
    let count = sqlx::query("SELECT count(*) FROM sqlx_tx")
        .fetch_one(&mut connection)
        .await?;
    assert_eq!(count.get::<i64, _>(0), 1);
    sqlx::raw_sql("DROP TABLE sqlx_tx").execute(&mut connection).await?;
    connection.close().await
}

async fn pool(options: &PgConnectOptions) -> Result<(), Error> {
    let pool: PgPool = PgPoolOptions::new()
        .max_connections(5)
        .connect_with(options.clone())
        .await?;
    let tasks: Vec<_> = (0..20_i32)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for n in 0..20_i32 {
                    let row = sqlx::query("SELECT $1::int4, $2::int4").bind(task).bind(n);
                    let row = row.fetch_one(&pool).await?;
                    assert_eq!((row.get::<i32, _>(0), row.get::<i32, _>(1)), (task, n));
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await
            .unwrap_or_else(|e| panic!("a task of the pool failed: {e}"))?;
    }
    pool.close().await;
    Ok(())
}

async fn copies(options: &PgConnectOptions) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    sqlx::raw_sql("DROP TABLE IF EXISTS sqlx_copy; CREATE TABLE sqlx_copy (id int4)")
        .execute(&mut connection)
        .await?;
    let mut copy = connection.copy_in_raw("COPY sqlx_copy FROM STDIN").await?;
    copy.send("1\n2\n3\n".as_bytes()).await?;
    assert_eq!(copy.finish().await?, 3);
    let mut copy = connection.copy_in_raw("COPY sqlx_copy FROM STDIN").await?;
    copy.send("4\n".as_bytes()).await?;
    copy.abort("changed my mind").await?;
    let sum = sqlx::query("SELECT sum(id) FROM sqlx_copy")
        .fetch_one(&mut connection)
        .await?;
    assert_eq!(sum.get::<i64, _>(0), 6);
    sqlx::raw_sql("DROP TABLE sqlx_copy").execute(&mut connection).await?;
    connection.close().await
}
