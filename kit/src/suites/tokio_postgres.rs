use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, future::try_join_all, pin_mut};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, NoTls, SimpleQueryMessage};

use crate::{Client, Target, block_on};

/// tokio-postgres: types, prepared statements, COPY both ways, transactions, errors, pipelining,
/// cancel, portals, and rows larger than any buffer. It has no TLS.
#[track_caller]
pub fn tokio_postgres(target: &Target) {
    block_on(async {
        let mut client = Client::connect(target).await;
        types(&client).await.unwrap_or_else(failed("types"));
        prepared(&client).await.unwrap_or_else(failed("prepared"));
        copies(&client).await.unwrap_or_else(failed("copy"));
        transactions(&mut client).await.unwrap_or_else(failed("transactions"));
        errors(&client).await.unwrap_or_else(failed("errors"));
        pipelines(&client).await.unwrap_or_else(failed("pipelines"));
        large_rows(&client).await.unwrap_or_else(failed("large rows"));
        cancel(&client).await.unwrap_or_else(failed("cancel"));
        client.close().await.unwrap_or_else(failed("close"));
    });
}

fn failed(what: &str) -> impl Fn(Error) {
    move |error| panic!("tokio-postgres, {what}: {}", crate::client::describe(&error))
}

async fn types(client: &Client) -> Result<(), Error> {
    let sql = "SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::float8, $6::text, $7::bytea, $8::int4[]";
    let bytes: Vec<u8> = (0..=255).collect();
    let numbers = vec![1_i32, -2, i32::MAX];
    let row = client
        .query_one(
            sql,
            &[
                &true,
                &-7_i16,
                &i32::MIN,
                &i64::MAX,
                &0.1_f64,
                &"naïve ✓",
                &bytes,
                &numbers,
            ],
        )
        .await?;
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, i16>(1), -7);
    assert_eq!(row.get::<_, i32>(2), i32::MIN);
    assert_eq!(row.get::<_, i64>(3), i64::MAX);
    assert_eq!(row.get::<_, f64>(4).to_bits(), 0.1_f64.to_bits());
    assert_eq!(row.get::<_, &str>(5), "naïve ✓");
    assert_eq!(row.get::<_, Vec<u8>>(6), bytes);
    assert_eq!(row.get::<_, Vec<i32>>(7), numbers);
    let row = client.query_one("SELECT $1::text", &[&None::<String>]).await?;
    assert_eq!(row.get::<_, Option<String>>(0), None);
    // A type that the driver must look up in the catalogue, with statements of its own.
    client
        .batch_execute("DROP TYPE IF EXISTS tp_mood; CREATE TYPE tp_mood AS ENUM ('glad', 'sad')")
        .await?;
    let statement = client.prepare("SELECT 'glad'::tp_mood").await?;
    assert_eq!(statement.columns()[0].type_().name(), "tp_mood");
    client.batch_execute("DROP TYPE tp_mood").await
}

async fn prepared(client: &Client) -> Result<(), Error> {
    let add = client.prepare("SELECT $1::int4 + $2::int4").await?;
    let word = client.prepare("SELECT $1::text || '!'").await?;
    for n in 0..50_i32 {
        let sum: i32 = client.query_one(&add, &[&n, &1]).await?.get(0);
        assert_eq!(sum, n + 1);
        let text: String = client.query_one(&word, &[&n.to_string()]).await?.get(0);
        assert_eq!(text, format!("{n}!"));
    }
    drop(add);
    let again = client.prepare("SELECT $1::int4 + $2::int4").await?;
    let sum: i32 = client.query_one(&again, &[&20, &22]).await?.get(0);
    assert_eq!(sum, 42);
    Ok(())
}

async fn copies(client: &Client) -> Result<(), Error> {
    client
        .batch_execute("DROP TABLE IF EXISTS tp_copy; CREATE TABLE tp_copy (id int8, word text)")
        .await?;
    let sink = client.copy_in("COPY tp_copy FROM STDIN").await?;
    pin_mut!(sink);
    for chunk in 0..100_u32 {
        let rows: Vec<String> = (0..500)
            .map(|n| {
                format!(
                    "{}	row {n}
",
                    chunk * 500 + n
                )
            })
            .collect();
        sink.send(Bytes::from(rows.concat())).await?;
    }
    assert_eq!(sink.finish().await?, 50_000);
    let stream = client
        .copy_out("COPY (SELECT * FROM tp_copy ORDER BY id) TO STDOUT")
        .await?;
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    let text = String::from_utf8_lossy(&chunks.concat()).into_owned();
    assert_eq!(text.lines().count(), 50_000);
    assert_eq!(text.lines().last(), Some("49999\trow 499"));
    // A copy that the client gives up leaves nothing behind and a usable session.
    let sink = client.copy_in("COPY tp_copy FROM STDIN").await?;
    {
        pin_mut!(sink);
        sink.send(Bytes::from_static(b"1\tlost\n")).await?;
    }
    let count: i64 = client.query_one("SELECT count(*) FROM tp_copy", &[]).await?.get(0);
    assert_eq!(count, 50_000);
    client.batch_execute("DROP TABLE tp_copy").await
}

async fn transactions(client: &mut Client) -> Result<(), Error> {
    client
        .batch_execute("DROP TABLE IF EXISTS tp_tx; CREATE TABLE tp_tx (id int4)")
        .await?;
    let transaction = client.transaction().await?;
    transaction.execute("INSERT INTO tp_tx VALUES (1)", &[]).await?;
    transaction.commit().await?;
    let transaction = client.transaction().await?;
    transaction.execute("INSERT INTO tp_tx VALUES (2)", &[]).await?;
    transaction.rollback().await?;
    let mut outer = client.transaction().await?;
    let inner = outer.savepoint("nested").await?;
    let broken = inner.execute("INSERT INTO tp_tx VALUES (1 / 0)", &[]).await;
    assert!(broken.is_err());
    inner.rollback().await?;
    outer.execute("INSERT INTO tp_tx VALUES (3)", &[]).await?;
    let portal = outer.bind("SELECT generate_series(1, 10)", &[]).await?;
    assert_eq!(outer.query_portal(&portal, 4).await?.len(), 4);
    assert_eq!(outer.query_portal(&portal, 4).await?.len(), 4);
    assert_eq!(outer.query_portal(&portal, 4).await?.len(), 2);
    outer.commit().await?;
    let rows = client.query("SELECT id FROM tp_tx ORDER BY id", &[]).await?;
    let ids: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids, [1, 3]);
    client.batch_execute("DROP TABLE tp_tx").await
}

async fn errors(client: &Client) -> Result<(), Error> {
    for (sql, state) in [
        ("SELECT 1/0", "22012"),
        ("SELEC", "42601"),
        ("SELECT * FROM tp_nowhere", "42P01"),
    ] {
        let error = client.query(sql, &[]).await.err();
        let code = error.as_ref().and_then(Error::code).map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some(state), "{sql}");
        let error = client.simple_query(sql).await.err();
        let code = error.as_ref().and_then(Error::code).map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some(state), "{sql}, simple");
    }
    let failed = client.simple_query("BEGIN; SELECT 1/0").await;
    assert!(failed.is_err());
    let refused = client.simple_query("SELECT 1").await.err();
    let code = refused.as_ref().and_then(Error::code).map(SqlState::code);
    assert_eq!(code, Some("25P02"));
    client.batch_execute("ROLLBACK").await?;
    let messages = client.simple_query("SELECT 1; SELECT 2; SELECT 3").await?;
    let rows = messages.iter().filter(|m| matches!(m, SimpleQueryMessage::Row(_)));
    assert_eq!(rows.count(), 3);
    Ok(())
}

/// Five hundred queries under way at once, each with its own answer, some of them errors.
async fn pipelines(client: &Client) -> Result<(), Error> {
    let statement = client.prepare("SELECT 1000 / $1::int4, $2::text").await?;
    let queries = (0..500_i32).map(|n| {
        let statement = &statement;
        async move {
            let divisor = n % 10;
            let tag = format!("query {n}");
            let answer = client.query_one(statement, &[&divisor, &tag]).await;
            if divisor == 0 {
                let code = answer.err().and_then(|e| e.code().map(|c| c.code().to_owned()));
                assert_eq!(code.as_deref(), Some("22012"));
                return Ok(());
            }
            let row = answer?;
            assert_eq!(row.get::<_, i32>(0), 1000 / divisor);
            assert_eq!(row.get::<_, &str>(1), tag);
            Ok::<(), Error>(())
        }
    });
    try_join_all(queries).await?;
    Ok(())
}

async fn large_rows(client: &Client) -> Result<(), Error> {
    for size in [0, 1, 8191, 8192, 8193, 16_384, 1 << 20, 8 << 20] {
        let value = "v".repeat(size);
        let row = client.query_one("SELECT $1::text, length($1)", &[&value]).await?;
        assert!(
            row.get::<_, &str>(0) == value,
            "a value of {size} bytes came back changed"
        );
    }
    let sql = "SELECT n, repeat('r', 1000) FROM generate_series(1, 20000) n";
    let stream = client.query_raw(sql, Vec::<i32>::new()).await?;
    pin_mut!(stream);
    let mut next = 1;
    while let Some(row) = stream.next().await {
        let row = row?;
        assert_eq!(row.get::<_, i32>(0), next);
        assert_eq!(row.get::<_, &str>(1).len(), 1000);
        next += 1;
    }
    assert_eq!(next, 20_001);
    Ok(())
}

async fn cancel(client: &Client) -> Result<(), Error> {
    let token = client.cancel_token();
    let request = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel_query(NoTls).await
    };
    let start = Instant::now();
    let (answer, cancelled) = tokio::join!(client.simple_query("SELECT pg_sleep(60)"), request);
    cancelled?;
    let code = answer.err().and_then(|e| e.code().map(|c| c.code().to_owned()));
    assert_eq!(code.as_deref(), Some("57014"));
    assert!(start.elapsed() < Duration::from_millis(1200), "{:?}", start.elapsed());
    let value: i32 = client.query_one("SELECT 1", &[]).await?.get(0);
    assert_eq!(value, 1);
    Ok(())
}
