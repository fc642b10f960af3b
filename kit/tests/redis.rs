//! The kit's Redis, Valkey, cluster and hand-made client, against each other.

use std::process::Command;
use std::time::{Duration, Instant};

use tidegate_kit::{Certificates, Flavour, Redis, RedisCluster, RedisSentinels, Resp, RespClient};

#[test]
fn starts_stops_and_is_killed() {
    for flavour in Flavour::ALL {
        let mut redis = Redis::builder(flavour).setting("maxclients", "77").start();
        assert_eq!(
            redis
                .ask(&["CONFIG", "GET", "maxclients"])
                .get("maxclients")
                .map(Resp::text)
                .as_deref(),
            Some("77")
        );
        let version = if flavour == Flavour::Redis {
            "redis_version"
        } else {
            "valkey_version"
        };
        assert!(redis.info(version).starts_with(['7', '8']));
        let process = redis.process().expect("it runs");
        redis.kill();
        assert!(!process.alive() && RespClient::try_connect(redis.address()).is_err());
        redis.run();
        redis.restart();
        assert_eq!(redis.ask(&["PING"]), Resp::Simple("PONG".to_owned()));
        let process = redis.process().expect("it runs");
        drop(redis);
        assert!(!process.alive());
    }
}

#[test]
fn users_and_passwords_are_asked_for() {
    let redis = Redis::builder(Flavour::Redis)
        .password("secret")
        .user("alice on >wonder ~a:* &* +get +set")
        .start();
    assert_eq!(redis.ask(&["SET", "b", "1"]).text(), "OK");
    let mut client = RespClient::connect(redis.address());
    assert_eq!(client.ask(&["GET", "a:1"]).text(), "NOAUTH Authentication required.");
    assert_eq!(client.ask(&["AUTH", "alice", "wonder"]).text(), "OK");
    assert_eq!(client.ask(&["GET", "a:1"]), Resp::Null);
    assert!(client.ask(&["GET", "b"]).text().starts_with("NOPERM"));
}

#[test]
fn tls_has_a_port_of_its_own() {
    let certificates = Certificates::new();
    let redis = Redis::builder(Flavour::Redis).tls(&certificates.server()).start();
    let port = redis.tls_address().expect("TLS").port().to_string();
    let ping = |more: &[&str]| {
        let mut cli = Command::new(Flavour::Redis.cli());
        cli.args(["-h", "127.0.0.1", "-p", &port]).args(more).arg("PING");
        String::from_utf8_lossy(&cli.output().expect("redis-cli").stdout)
            .trim()
            .to_owned()
    };
    let ca = certificates.ca().display().to_string();
    assert_eq!(ping(&["--tls", "--cacert", &ca]), "PONG");
    assert_ne!(ping(&[]), "PONG");
}

#[test]
fn a_replica_follows_and_a_halted_server_is_silent() {
    let primary = Redis::builder(Flavour::Valkey).password("secret").start();
    let replica = Redis::builder(Flavour::Valkey).replica_of(&primary).start();
    replica.wait_synchronised();
    assert_eq!(primary.ask(&["SET", "k", "v"]).text(), "OK");
    tidegate_kit::eventually("the write arrives", || replica.ask(&["GET", "k"]).text() == "v");
    assert!(replica.ask(&["SET", "k", "w"]).text().starts_with("READONLY"));
    let mut client = primary.client();
    primary.pause();
    client.command(&["PING"]);
    assert!(!client.closed_within(Duration::from_millis(100)));
    primary.resume();
}

#[test]
fn a_cluster_moves_slots_and_fails_over() {
    for flavour in Flavour::ALL {
        let start = Instant::now();
        let mut cluster = RedisCluster::start(flavour);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!(cluster.nodes().len(), 6);
        // `foo` has the slot 12182, of the third primary.
        assert_eq!(cluster.owner(12_182), 2);
        assert_eq!(cluster.nodes()[2].ask(&["SET", "foo", "1"]).text(), "OK");
        cluster.open_slot(12_182, 2, 0);
        let asked = cluster.nodes()[2].ask(&["SET", "{foo}.new", "1"]).text();
        assert_eq!(asked, format!("ASK 12182 127.0.0.1:{}", cluster.nodes()[0].port()));
        cluster.move_keys(12_182, 2, 0);
        cluster.close_slot(12_182, 2, 0);
        assert_eq!(cluster.nodes()[0].ask(&["GET", "foo"]).text(), "1");
        let moved = cluster.nodes()[2].ask(&["GET", "foo"]).text();
        assert_eq!(moved, format!("MOVED 12182 127.0.0.1:{}", cluster.nodes()[0].port()));
        cluster.fail_over(4);
        cluster.wait_ok();
        cluster.node(4).kill();
        tidegate_kit::eventually("the old primary takes over", || {
            cluster.nodes()[1].info("role") == "master" && cluster.owner(6_000) == 1
        });
    }
}

#[test]
fn sentinels_fail_over() {
    for flavour in Flavour::ALL {
        let mut set = RedisSentinels::start(flavour);
        assert_eq!(set.primary(), Some(0));
        set.fail_over();
        let second = set.primary().expect("a primary");
        assert_ne!(second, 0);
        set.wait_ok();
        set.server(second).kill();
        tidegate_kit::eventually("another takes over", || {
            set.primary()
                .is_some_and(|now| now != second && set.servers()[now].info("role") == "master")
        });
        set.sentinel(0).restart();
        assert_ne!(set.primary(), Some(second));
    }
}
