use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Commands as _, Connection, RedisError, RedisResult, Script, Value, cmd, pipe};

use super::{RedisTarget, revive};
use crate::{Redis, eventually};

/// The `redis` crate, in RESP2 and RESP3: types, pipelines, transactions that watch, scripts, blocking pops,
/// subscriptions, cursors, databases, logins, a server that ends.
#[track_caller]
pub fn redis_rs(target: &RedisTarget, server: &mut Redis) {
    for version in ["resp2", "resp3"] {
        let url = |database: u8| target.url(&format!("{database}?protocol={version}"));
        let client = open(&url(0));
        let connect = || client.get_connection();
        let failed = |what: &'static str| move |error: RedisError| panic!("redis, {version}, {what}: {error}");
        let mut one = connect().unwrap_or_else(|error| panic!("redis, {version}, login: {error}"));
        types(&mut one).unwrap_or_else(failed("types"));
        pipelines(&mut one).unwrap_or_else(failed("pipelines"));
        transactions(&mut one, connect).unwrap_or_else(failed("transactions"));
        scripts(&mut one).unwrap_or_else(failed("scripts"));
        blocking(&mut one, connect).unwrap_or_else(failed("blocking"));
        subscriptions(&mut one, connect).unwrap_or_else(failed("subscriptions"));
        scans(&mut one).unwrap_or_else(failed("scans"));
        databases(&mut one, &open(&url(3))).unwrap_or_else(failed("databases"));
        logins(target, version);
        returns(&client, server);
    }
}

fn open(url: &str) -> Client {
    Client::open(url).unwrap_or_else(|e| panic!("{url}: {e}"))
}

fn types(one: &mut Connection) -> RedisResult<()> {
    cmd("FLUSHALL").exec(one)?;
    let bytes: Vec<u8> = (0..=255).collect();
    one.set::<_, _, ()>("rs:bytes", &bytes)?;
    assert_eq!(one.get::<_, Vec<u8>>("rs:bytes")?, bytes);
    assert_eq!(one.get::<_, Option<String>>("rs:none")?, None);
    assert!(!one.set_nx::<_, _, bool>("rs:bytes", "x")?);
    assert_eq!(one.incr::<_, _, i64>("rs:n", i64::MAX)?, i64::MAX);
    assert!(
        one.incr::<_, _, i64>("rs:n", 1)
            .is_err_and(|e| e.to_string().contains("overflow"))
    );
    let pairs = HashMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "zwei".to_owned())]);
    one.hset_multiple::<_, _, _, ()>("rs:h", &[("a", "1"), ("b", "zwei")])?;
    assert_eq!(one.hgetall::<_, HashMap<String, String>>("rs:h")?, pairs);
    let numbers: Vec<u32> = (0..500).collect();
    assert_eq!(one.rpush::<_, _, usize>("rs:l", &numbers)?, 500);
    assert_eq!(one.lrange::<_, Vec<u32>>("rs:l", 0, -1)?, numbers);
    one.sadd::<_, _, ()>("rs:s", &["a", "b", "a"])?;
    assert_eq!(one.smembers::<_, HashSet<String>>("rs:s")?.len(), 2);
    one.zadd_multiple::<_, _, _, ()>("rs:z", &[(1.0, "a"), (2.5, "b")])?;
    assert_eq!(
        one.zrange_withscores::<_, Vec<(String, f64)>>("rs:z", 0, -1)?,
        [("a".to_owned(), 1.0), ("b".to_owned(), 2.5)]
    );
    let large = "v".repeat(4 << 20);
    one.set_ex::<_, _, ()>("rs:large", &large, 100)?;
    assert_eq!(one.get::<_, String>("rs:large")?, large);
    assert!(one.ttl::<_, i64>("rs:large")? > 90);
    assert_eq!(one.del::<_, u32>(&["rs:large", "rs:bytes", "rs:none"])?, 2);
    let wrong = one.get::<_, String>("rs:h").expect_err("a hash is no string");
    assert_eq!(wrong.code(), Some("WRONGTYPE"));
    let unknown: RedisResult<Value> = cmd("NOSUCH").query(one);
    assert!(unknown.is_err_and(|e| e.to_string().contains("unknown command")));
    Ok(())
}

fn pipelines(one: &mut Connection) -> RedisResult<()> {
    let mut many = pipe();
    for n in 0..3000 {
        many.set(format!("rs:p{n}"), n).ignore().get(format!("rs:p{n}"));
    }
    let answers: Vec<u32> = many.query(one)?;
    assert!(answers.into_iter().eq(0..3000));
    let mixed: RedisResult<Value> = pipe().set("rs:p", "text").incr("rs:p", 1).get("rs:p").query(one);
    assert!(mixed.is_err_and(|e| e.to_string().contains("not an integer")));
    assert_eq!(one.get::<_, String>("rs:p")?, "text");
    Ok(())
}

fn transactions(one: &mut Connection, connect: impl Fn() -> RedisResult<Connection> + Sync) -> RedisResult<()> {
    let answers: (String, i64) = pipe().atomic().set("rs:t", 0).incr("rs:t", 2).query(one)?;
    assert_eq!(answers, ("OK".to_owned(), 2));
    let mut other = connect()?;
    cmd("WATCH").arg("rs:t").exec(one)?;
    other.set::<_, _, ()>("rs:t", 10)?;
    let lost: Option<Vec<i64>> = pipe().atomic().incr("rs:t", 1).query(one)?;
    assert_eq!(lost, None);
    // Many who count in transactions lose nothing.
    thread::scope(|scope| {
        let count = || -> RedisResult<()> {
            let mut own = connect()?;
            for _ in 0..10 {
                redis::transaction(&mut own, &["rs:t"], |own, pipe| {
                    let n: i64 = own.get("rs:t")?;
                    pipe.set("rs:t", n + 1).ignore().query::<Option<()>>(own)
                })?;
            }
            Ok(())
        };
        let counting: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        counting
            .into_iter()
            .try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    assert_eq!(one.get::<_, i64>("rs:t")?, 50);
    Ok(())
}

fn scripts(one: &mut Connection) -> RedisResult<()> {
    let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    cmd("SCRIPT").arg("FLUSH").exec(one)?;
    assert_eq!(add.key("rs:lua").arg(5).invoke::<i64>(one)?, 5);
    assert_eq!(add.key("rs:lua").arg(5).invoke::<i64>(one)?, 10);
    let none = cmd("EVALSHA").arg("0".repeat(40)).arg(0).exec(one);
    assert_eq!(none.expect_err("no such script").code(), Some("NOSCRIPT"));
    let failed = cmd("EVAL")
        .arg("return redis.error_reply('ERR my error')")
        .arg(0)
        .exec(one);
    assert!(failed.is_err_and(|e| e.to_string().contains("my error")));
    Ok(())
}

fn blocking(one: &mut Connection, connect: impl Fn() -> RedisResult<Connection>) -> RedisResult<()> {
    let mut waiting = connect()?;
    let popping = thread::spawn(move || {
        let popped: RedisResult<(String, String)> = waiting.blpop(&["rs:q1", "rs:q2"], 10.0);
        (popped, waiting)
    });
    thread::sleep(Duration::from_millis(100));
    for n in 0..100 {
        one.set::<_, _, ()>("rs:b", n)?;
    }
    assert!(!popping.is_finished());
    one.rpush::<_, _, ()>("rs:q2", "work")?;
    let (popped, mut waiting) = popping.join().expect("no panic");
    assert_eq!(popped?, ("rs:q2".to_owned(), "work".to_owned()));
    let start = Instant::now();
    assert_eq!(waiting.blpop::<_, Option<(String, String)>>("rs:q1", 0.2)?, None);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(waiting.get::<_, u32>("rs:b")?, 99);
    Ok(())
}

fn subscriptions(one: &mut Connection, connect: impl Fn() -> RedisResult<Connection>) -> RedisResult<()> {
    let mut listening = connect()?;
    let mut ears = listening.as_pubsub();
    ears.set_read_timeout(Some(Duration::from_secs(10)))?;
    ears.subscribe(&["rs:a", "rs:b"])?;
    ears.psubscribe("rs:pat*")?;
    // The driver waits for the first of the three answers only.
    eventually("it listens", || {
        one.publish::<_, _, u32>("rs:pattern", "hello") == Ok(1)
    });
    let message = ears.get_message()?;
    assert_eq!(message.get_pattern::<Option<String>>()?, Some("rs:pat*".to_owned()));
    assert_eq!(message.get_payload::<String>()?, "hello");
    for n in 0..200 {
        assert_eq!(one.publish::<_, _, u32>("rs:a", n)?, 1);
    }
    for n in 0..200 {
        let message = ears.get_message()?;
        assert_eq!((message.get_channel_name(), message.get_payload::<u32>()?), ("rs:a", n));
    }
    drop(ears);
    eventually("nobody listens", || one.publish::<_, _, u32>("rs:a", "x") == Ok(0));
    // The connection is an ordinary one again.
    assert_eq!(listening.get::<_, u32>("rs:b")?, 99);
    Ok(())
}

fn scans(one: &mut Connection) -> RedisResult<()> {
    let mut many = pipe();
    for n in 0..2000 {
        many.set(format!("scan:{n}"), n).ignore();
    }
    many.exec(one)?;
    let keys: RedisResult<HashSet<String>> = one.scan_match("scan:*")?.collect();
    assert_eq!(keys?.len(), 2000);
    let members: Vec<u32> = (0..1500).collect();
    one.sadd::<_, _, ()>("rs:set", &members)?;
    let found: RedisResult<HashSet<u32>> = one.sscan("rs:set")?.collect();
    assert_eq!(found?.len(), 1500);
    Ok(())
}

fn databases(one: &mut Connection, three: &Client) -> RedisResult<()> {
    let mut other = three.get_connection()?;
    other.set::<_, _, ()>("rs:db", "three")?;
    assert_eq!(one.get::<_, Option<String>>("rs:db")?, None);
    assert_eq!(other.get::<_, String>("rs:db")?, "three");
    cmd("SELECT").arg(3).exec(one)?;
    assert_eq!(one.get::<_, String>("rs:db")?, "three");
    cmd("SELECT").arg(0).exec(one)?;
    assert!(cmd("SELECT").arg(99).exec(one).is_err());
    Ok(())
}

#[track_caller]
fn logins(target: &RedisTarget, version: &str) {
    for (user, password) in [(target.user.as_str(), "wrong"), ("nobody", target.password.as_str())] {
        let wrong = RedisTarget {
            user: user.to_owned(),
            password: password.to_owned(),
            ..target.clone()
        };
        let refused = open(&wrong.url(&format!("?protocol={version}"))).get_connection();
        let error = refused.err().unwrap_or_else(|| panic!("{user} was let in"));
        // The driver has words of its own for a refused AUTH, and passes on those of a refused HELLO.
        let is_refusal = error.kind() == redis::ErrorKind::AuthenticationFailed || error.code() == Some("WRONGPASS");
        assert!(is_refusal, "{error}");
    }
}

#[track_caller]
fn returns(client: &Client, server: &mut Redis) {
    let mut one = client.get_connection().expect("a connection");
    one.set::<_, _, ()>("rs:kept", 1).expect("OK");
    server.kill();
    one.set::<_, _, ()>("rs:lost", 1).expect_err("there is no server");
    server.run();
    revive(server);
    let transaction = || -> RedisResult<(i64,)> {
        let mut again = client.get_connection()?;
        again.set::<_, _, ()>("rs:back", 1)?;
        assert_eq!(again.get::<_, Option<u32>>("rs:kept")?, None);
        pipe().atomic().incr("rs:t2", 1).query(&mut again)
    };
    eventually("it is served again", || transaction().is_ok());
}
