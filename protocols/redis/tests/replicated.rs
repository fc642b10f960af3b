//! A primary and its replicas behind the gateway: clients see one server, whoever of them is the primary.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::load::{LOST, Watch, load};
use serde_json::{Value as Json, json};
use tidegate_conformance::House;
use tidegate_kit::{Direction, FaultProxy, Faults, Flavour, Redis, Resp, RespClient, eventually, wait_until};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

/// Servers of which the first follows nobody.
fn servers(flavour: Flavour, count: usize) -> Vec<Redis> {
    let primary = Redis::builder(flavour).setting("repl-ping-replica-period", "1").start();
    let replica = |_| Redis::builder(flavour).replica_of(&primary).start();
    let replicas: Vec<Redis> = (1..count).map(replica).collect();
    for replica in &replicas {
        replica.wait_synchronised();
    }
    std::iter::once(primary).chain(replicas).collect()
}

fn before(servers: &[Redis], more: &Json) -> House {
    let addresses: Vec<SocketAddr> = servers.iter().map(Redis::address).collect();
    let mut wanted = json!({ "topology": { "kind": "replicated" } });
    if let (Some(wanted), Some(more)) = (wanted.as_object_mut(), more.as_object()) {
        wanted.extend(more.clone());
    }
    let trust = json!({ "login": { "method": "trust" } });
    common::gateway(&addresses, &trust, &wanted, Vec::new())
}

/// Hands the office over as planned: `FAILOVER` halts writes until the heir has all of them.
#[track_caller]
fn hand_over(from: &Redis, to: &Redis) {
    let asked = from.ask(&["FAILOVER", "TO", "127.0.0.1", &to.port().to_string()]);
    assert_eq!(asked, simple("OK"));
    eventually("the office is handed over", || {
        to.info("role") == "master" && from.info("role") == "slave" && from.info("master_link_status") == "up"
    });
}

#[track_caller]
fn follow(replica: &Redis, primary: &Redis) {
    let asked = replica.ask(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    assert!(asked.text().starts_with("OK"), "{asked:?}");
}

/// How often servers were asked to GET and to SET since `CONFIG RESETSTAT`.
fn calls(server: &Redis) -> (u64, u64) {
    let info = server.ask(&["INFO", "commandstats"]).text();
    let of = |name: &str| {
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
    };
    (of("get"), of("set"))
}

fn forget_calls(servers: &[Redis]) {
    for server in servers {
        assert_eq!(server.ask(&["CONFIG", "RESETSTAT"]), simple("OK"));
    }
}

/// Nobody sees anything of it: no error, and whoever has written reads what it wrote.
#[test]
fn the_primary_moves_as_planned_under_load() {
    for flavour in Flavour::ALL {
        let servers = servers(flavour, 3);
        let house = before(&servers, &json!({}));
        let watch = Arc::new(Watch::default());
        let clients: Vec<_> = (0..4).map(|name| load(house.address(), name, &watch, &[])).collect();
        watch.wait(500);
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
            hand_over(&servers[from], &servers[to]);
            let other = &servers[3 - from - to];
            follow(other, &servers[to]);
            watch.wait(1000);
            other.wait_synchronised();
            eventually("both follow it", || servers[to].info("connected_slaves") == "2");
        }
        assert_eq!(watch.end(clients), 0);
    }
}

/// Everything that a replica had confirmed is there after the primary was killed and that replica took over, and
/// everything that was acknowledged from then on. Reads fail at no time; of writes only those whose connection was lost.
#[test]
fn the_primary_is_killed_under_load() {
    for flavour in Flavour::ALL {
        let mut servers = servers(flavour, 3);
        let house = before(&servers, &json!({}));
        let mut keeper = RespClient::connect(house.address());
        for number in 0..200 {
            keeper.command(&["SET", &format!("kept:{number}"), &number.to_string()]);
        }
        for _ in 0..200 {
            assert_eq!(keeper.reply(), simple("OK"));
        }
        // Both have what this client wrote, as WAIT through the gateway says.
        assert_eq!(keeper.ask(&["WAIT", "2", "10000"]), Resp::Integer(2));
        let watch = Arc::new(Watch::default());
        let clients: Vec<_> = (0..3)
            .map(|name| load(house.address(), name, &watch, &[LOST]))
            .collect();
        watch.wait(500);
        watch.forgetful.store(true, std::sync::atomic::Ordering::Relaxed);
        servers[0].kill();
        assert_eq!(servers[1].ask(&["REPLICAOF", "NO", "ONE"]), simple("OK"));
        follow(&servers[2], &servers[1]);
        watch.wait(500);
        // From here on nothing may be lost.
        watch.forgetful.store(false, std::sync::atomic::Ordering::Relaxed);
        watch.wait(2000);
        for number in 0..200 {
            assert_eq!(
                keeper.ask(&["GET", &format!("kept:{number}")]),
                bulk(&number.to_string())
            );
        }
        // The old one comes back as a primary of its own; who is followed stays.
        assert_eq!(keeper.ask(&["SET", "late", "1"]), simple("OK"));
        servers[0].run();
        watch.wait(1000);
        assert_eq!(keeper.ask(&["GET", "late"]), bulk("1"));
        assert_eq!(servers[0].ask(&["EXISTS", "late"]), Resp::Integer(0));
        follow(&servers[0], &servers[1]);
        watch.wait(500);
        let refused = watch.end(clients);
        assert!(
            refused <= 3 * 8,
            "{refused} writes were lost, and no more than one turn of each was under way"
        );
        assert_eq!(servers[1].info("role"), "master");
    }
}

#[test]
fn reads_go_to_replicas_and_writes_never() {
    for flavour in Flavour::ALL {
        let mut servers = servers(flavour, 3);
        let house = before(&servers, &json!({ "reads": { "from": "prefer_replica" } }));
        let mut client = RespClient::connect(house.address());
        assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
        assert_eq!(client.ask(&["WAIT", "2", "10000"]), Resp::Integer(2));
        eventually("replicas are read", || {
            client.ask(&["GET", "a"]) == bulk("1") && calls(&servers[1]).0 + calls(&servers[2]).0 > 0
        });
        forget_calls(&servers);
        for _ in 0..100 {
            assert_eq!(client.ask(&["SET", "b", "2"]), simple("OK"));
            assert_eq!(client.ask(&["GET", "a"]), bulk("1"));
        }
        let [primary, one, two] = [0, 1, 2].map(|at| calls(&servers[at]));
        assert_eq!(primary, (0, 100), "the primary writes and is not read");
        assert_eq!(one.0 + two.0, 100);
        assert!(one.0 >= 30 && two.0 >= 30, "{one:?} and {two:?}: reads are shared out");
        // A replica writes what it is sent by its primary, which commandstats count too.
        let refused = [1, 2].map(|at| servers[at].ask(&["INFO", "errorstats"]).text());
        assert!(refused.iter().all(|text| !text.contains("READONLY")), "{refused:?}");
        // One that is dead is left without anybody seeing it; without any, the primary is read.
        servers[1].kill();
        for _ in 0..50 {
            assert_eq!(client.ask(&["GET", "a"]), bulk("1"));
        }
        servers[2].kill();
        for _ in 0..50 {
            assert_eq!(client.ask(&["GET", "a"]), bulk("1"));
        }
        servers[1].run();
        eventually("it is read again", || {
            client.ask(&["GET", "a"]) == bulk("1") && calls(&servers[1]).0 > 0
        });
    }
}

#[test]
fn a_replica_that_lags_is_left() {
    for flavour in Flavour::ALL {
        let primary = Redis::builder(flavour).setting("repl-ping-replica-period", "1").start();
        let link = FaultProxy::start(primary.address());
        let port = link.address().port();
        let replica = Redis::builder(flavour).setting("replicaof", &format!("127.0.0.1 {port}"));
        let servers = [primary, replica.start()];
        servers[1].wait_synchronised();
        let house = before(
            &servers,
            &json!({ "reads": { "from": "prefer_replica", "max_lag": "1s" } }),
        );
        let mut client = RespClient::connect(house.address());
        assert_eq!(client.ask(&["SET", "a", "old"]), simple("OK"));
        assert_eq!(client.ask(&["WAIT", "1", "10000"]), Resp::Integer(1));
        forget_calls(&servers);
        eventually("the replica is read", || {
            client.ask(&["GET", "a"]) == bulk("old") && calls(&servers[1]).0 > 0
        });
        let stalled = Faults {
            half_open: true,
            ..Faults::default()
        };
        link.set(Direction::ToClient, stalled);
        assert_eq!(client.ask(&["SET", "a", "new"]), simple("OK"));
        eventually("the primary is read instead", || {
            client.ask(&["GET", "a"]) == bulk("new")
        });
        forget_calls(&servers);
        for _ in 0..50 {
            assert_eq!(client.ask(&["GET", "a"]), bulk("new"));
        }
        assert_eq!((calls(&servers[0]).0, calls(&servers[1]).0), (50, 0));
        link.set_both(Faults::default());
        eventually("the replica has caught up and is read", || {
            assert_eq!(client.ask(&["GET", "a"]), bulk("new"), "what is old is not seen again");
            calls(&servers[1]).0 > 0
        });
    }
}

#[test]
fn the_nearest_is_read() {
    for flavour in Flavour::ALL {
        let servers = servers(flavour, 2);
        // The primary is far away: to clients of the gateway all is as before, but reads need not go there.
        let far = FaultProxy::start(servers[0].address());
        let wanted = json!({ "topology": { "kind": "replicated" }, "reads": { "from": "nearest" } });
        far.set_both(Faults {
            latency: Duration::from_millis(15),
            ..Faults::default()
        });
        let trust = json!({ "login": { "method": "trust" } });
        let house = common::gateway(&[far.address(), servers[1].address()], &trust, &wanted, Vec::new());
        let mut client = RespClient::connect(house.address());
        assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
        assert_eq!(client.ask(&["WAIT", "1", "10000"]), Resp::Integer(1));
        let is_near = wait_until(Duration::from_secs(10), || {
            forget_calls(&servers);
            for _ in 0..20 {
                assert_eq!(client.ask(&["GET", "a"]), bulk("1"));
            }
            (calls(&servers[0]).0, calls(&servers[1]).0) == (0, 20)
        });
        assert!(is_near, "reads do not go to the near replica");
        assert_eq!(client.ask(&["SET", "a", "2"]), simple("OK"));
        assert_eq!(servers[0].ask(&["GET", "a"]), bulk("2"));
    }
}

/// A native error or a closed connection, and never an answer of the wrong server.
#[test]
fn what_a_client_has_at_the_old_primary_ends_with_it() {
    for flavour in Flavour::ALL {
        let servers = servers(flavour, 2);
        let house = before(&servers, &json!({}));
        let client = || RespClient::connect(house.address());
        let (mut multi, mut watching, mut blocked, mut plain) = (client(), client(), client(), client());
        assert_eq!(plain.ask(&["SET", "t", "1"]), simple("OK"));
        assert_eq!(multi.ask(&["MULTI"]), simple("OK"));
        assert_eq!(multi.ask(&["INCR", "t"]), simple("QUEUED"));
        assert_eq!(watching.ask(&["WATCH", "t"]), simple("OK"));
        blocked.command(&["BLPOP", "queue", "0"]);
        eventually("it blocks", || servers[0].info("blocked_clients") == "1");
        hand_over(&servers[0], &servers[1]);
        eventually("writes go to the new one", || {
            plain.ask(&["SET", "t", "5"]) == simple("OK") && servers[1].ask(&["GET", "t"]) == bulk("5")
        });
        fails(&mut multi, &["EXEC"]);
        watching_fails(&mut watching);
        let told = blocked.try_reply();
        assert!(
            told.as_ref().map_or(
                true,
                |told| matches!(told, Resp::Error(text) if text.starts_with("UNBLOCKED"))
            ),
            "{told:?}"
        );
        assert_eq!(plain.ask(&["GET", "t"]), bulk("5"), "nothing of it was done");
        assert_eq!(plain.ask(&["RPUSH", "queue", "x"]), Resp::Integer(1));
        assert_eq!(plain.ask(&["LLEN", "queue"]), Resp::Integer(1), "and nobody takes it");
        eventually("nothing is held", || house.lent() == 0);
        // And the same begins well at the new one.
        let mut again = client();
        assert_eq!(again.ask(&["WATCH", "t"]), simple("OK"));
        assert_eq!(again.ask(&["MULTI"]), simple("OK"));
        assert_eq!(again.ask(&["INCR", "t"]), simple("QUEUED"));
        assert_eq!(again.ask(&["EXEC"]), Resp::Array(vec![Resp::Integer(6)]));
        again.command(&["BLPOP", "queue", "0"]);
        assert_eq!(again.reply(), Resp::Array(vec![bulk("queue"), bulk("x")]));
    }
}

/// An error that the server itself says, or the end of the connection.
#[track_caller]
fn fails(client: &mut RespClient, words: &[&str]) {
    let sent = client.try_send(&RespClient::encode(words));
    let told = sent.and_then(|()| client.try_reply());
    let is_native = |text: &str| {
        ["EXECABORT", "READONLY", "TRYAGAIN", "UNBLOCKED"]
            .iter()
            .any(|code| text.starts_with(code))
    };
    assert!(
        told.as_ref()
            .map_or(true, |told| matches!(told, Resp::Error(text) if is_native(text))),
        "{words:?}: {told:?}"
    );
}

/// What was watched has changed: no transaction of it may be done.
#[track_caller]
fn watching_fails(client: &mut RespClient) {
    let start = Instant::now();
    for words in [&["MULTI"][..], &["SET", "t", "stale"], &["EXEC"]] {
        if client.try_send(&RespClient::encode(words)).is_err() {
            return;
        }
        let Ok(told) = client.try_reply() else { return };
        if words == ["EXEC"] {
            assert!(matches!(told, Resp::Error(_) | Resp::Null), "{told:?}");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}
