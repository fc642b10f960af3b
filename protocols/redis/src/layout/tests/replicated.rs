use serde_json::json;
use tidegate_kit::{Flavour, Redis as Server, eventually};

use super::super::{Reads, RedisReads, RedisReadsFrom};
use super::*;
use tidegate_base::Period;

fn three(flavour: Flavour) -> Vec<Server> {
    let primary = Server::start(flavour);
    let follow = || Server::builder(flavour).replica_of(&primary).start();
    let (second, third) = (follow(), follow());
    second.wait_synchronised();
    third.wait_synchronised();
    vec![primary, second, third]
}

fn repoint(replica: &Server, primary: &Server) {
    let port = primary.port().to_string();
    assert_eq!(replica.ask(&["REPLICAOF", "127.0.0.1", &port]).text(), "OK");
}

fn promote(server: &Server) {
    assert_eq!(server.ask(&["REPLICAOF", "NO", "ONE"]).text(), "OK");
}

fn replicated() -> Json {
    json!({ "topology": { "kind": "replicated" }, "health": { "interval": "200ms", "timeout": "500ms" } })
}

#[test]
fn the_servers_say_who_is_the_primary() {
    for flavour in Flavour::ALL {
        let mut servers = three(flavour);
        let ports: Vec<u16> = servers.iter().map(Server::port).collect();
        let [a, b, c] = [ports[0], ports[1], ports[2]];
        // The configuration guesses wrong.
        let endpoints: Vec<Json> = ports
            .iter()
            .map(|port| json!({ "address": format!("127.0.0.1:{port}"), "role": if *port == b { "primary" } else { "replica" } }))
            .collect();
        let followed = Followed::start(&endpoints, &replicated());
        soon("the layout is known", || {
            followed.primary() == a && followed.replicas() == sorted(vec![b, c])
        });
        let known = followed.layout();
        promote(&servers[1]);
        repoint(&servers[2], &servers[1]);
        repoint(&servers[0], &servers[1]);
        soon("the second has taken over", || followed.primary() == b);
        eventually("the others follow", || followed.replicas() == sorted(vec![a, c]));
        promote(&servers[0]);
        repoint(&servers[2], &servers[0]);
        repoint(&servers[1], &servers[0]);
        soon("the first is back", || followed.primary() == a);
        eventually("the others follow", || followed.replicas() == sorted(vec![b, c]));
        let now = followed.layout();
        for node in now.nodes() {
            assert!(
                known.nodes().any(|before| Arc::ptr_eq(before, node)),
                "nodes stay the same"
            );
        }
        eventually("they are in step", || {
            [1, 2].iter().all(|at| servers[*at].info("master_link_status") == "up")
        });

        servers[0].kill();
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(followed.primary(), a, "nobody else says so");
        promote(&servers[2]);
        repoint(&servers[1], &servers[2]);
        soon("the third has taken over", || followed.primary() == c);
        eventually("the second follows", || followed.replicas() == [b]);
        // It comes back, and still says that it is the primary.
        servers[0].run();
        assert_eq!(servers[0].info("role"), "master");
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!((followed.primary(), followed.replicas()), (c, vec![b]));
        repoint(&servers[0], &servers[2]);
        eventually("it follows", || followed.replicas() == sorted(vec![a, b]));
    }
}

#[test]
fn nobody_is_the_primary_for_a_while() {
    let servers = three(Flavour::Redis);
    let followed = Followed::start(&endpoints(&servers), &replicated());
    soon("the layout is known", || followed.replicas().len() == 2);
    // It follows nobody that exists.
    assert_eq!(servers[0].ask(&["REPLICAOF", "127.0.0.1", "1"]).text(), "OK");
    soon("there is no primary", || followed.primary() == 0);
    assert_eq!(followed.layout().shards.len(), 1, "the replicas may still be read");
    promote(&servers[0]);
    soon("there is one again", || followed.primary() == servers[0].port());
}

#[test]
fn replicas_are_read_while_they_keep_up() {
    for flavour in Flavour::ALL {
        let mut servers = three(flavour);
        let mut more = replicated();
        more["reads"] = json!({ "from": "prefer_replica", "max_lag": "1s" });
        let followed = Followed::start(&endpoints(&servers), &more);
        let rules = Arc::clone(&followed.redis.plan().clusters["app"]);
        let read_from = || {
            let layout = followed.layout();
            let ports = (0..20).filter_map(|turn| layout.reader(0, &rules.reads, turn).map(|node| port(node)));
            let mut ports: Vec<u16> = sorted(ports.collect());
            ports.dedup();
            ports
        };
        let [a, b, c] = [servers[0].port(), servers[1].port(), servers[2].port()];
        soon("both replicas are read", || read_from() == sorted(vec![b, c]));
        assert!(followed.layout().nodes().all(|node| node.round_trip().is_some()));
        // A link that broke: its data gets older and older.
        assert_eq!(servers[1].ask(&["REPLICAOF", "127.0.0.1", "1"]).text(), "OK");
        eventually("one replica is too far behind", || read_from() == [c]);
        // One that does not answer.
        servers[2].pause();
        eventually("the primary is read", || read_from() == [a]);
        servers[2].resume();
        eventually("the replica is read again", || read_from() == [c]);
        // One that is alone.
        servers[0].kill();
        eventually("the primary is seen to be gone", || {
            followed.layout().primaries().all(|node| !node.endpoint.is_well())
        });
        let nearest = Reads::new(
            RedisReads {
                from: RedisReadsFrom::Nearest,
                max_lag: Some(Period::OFF),
            },
            None,
            None,
        );
        let layout = followed.layout();
        let reader = layout.reader(0, &nearest, 1).map(|node| port(node)).unwrap();
        assert!(reader == b || reader == c, "whoever is well");
    }
}

#[test]
fn lag_is_measured() {
    let servers = three(Flavour::Valkey);
    let followed = Followed::start(&endpoints(&servers), &replicated());
    let lag = |at: usize| {
        let layout = followed.layout();
        let node = layout.nodes().find(|node| port(node) == servers[at].port());
        node.and_then(|node| node.lag())
    };
    soon("all are in step", || {
        (0..3).all(|at| lag(at).is_some_and(|lag| lag < Duration::from_millis(300)))
    });
    let mut writer = servers[0].client();
    assert_eq!(servers[2].ask(&["REPLICAOF", "127.0.0.1", "1"]).text(), "OK");
    eventually("the third falls behind", || {
        writer.ask(&["INCR", "n"]);
        lag(2).is_some_and(|lag| lag >= Duration::from_secs(2))
    });
    assert!(lag(1).is_some_and(|lag| lag < Duration::from_secs(1)), "{:?}", lag(1));
}
