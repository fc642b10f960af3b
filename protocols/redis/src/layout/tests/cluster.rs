use serde_json::json;
use tidegate_kit::{Flavour, RedisCluster, eventually};
use tidegate_redis_wire::slot::Slot;

use super::super::Bucket;
use super::*;

fn clustered(refresh: &str) -> Json {
    json!({
        "topology": { "kind": "cluster", "refresh": refresh },
        "health": { "interval": "500ms", "timeout": "500ms" },
    })
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

/// The port of the primary of a slot; 0 while nobody serves it.
fn owner(layout: &Layout, number: u16) -> u16 {
    let shard = layout.shard(Bucket::slot(slot(number)));
    let primary = shard.and_then(|at| layout.shards[at].primary.as_ref());
    primary.map_or(0, |node| port(node))
}

fn followed(cluster: &RedisCluster, refresh: &str) -> Followed {
    eventually("all nodes know all replicas", || {
        cluster.nodes().iter().all(|node| {
            let slots = node.ask(&["CLUSTER", "SLOTS"]);
            slots.items().iter().all(|range| range.items().len() == 4)
        })
    });
    // One seed leads to all.
    let followed = Followed::start(&endpoints(cluster.nodes().iter().skip(4).take(1)), &clustered(refresh));
    soon("the layout is known", || {
        let layout = followed.layout();
        let right = |at: u16| owner(&layout, at * 5500) == cluster.nodes()[usize::from(at)].port();
        layout.nodes().count() == 6 && (0..3).all(right)
    });
    followed
}

#[test]
fn slots_that_move_are_followed() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let followed = followed(&cluster, "500ms");
        let before = followed.layout();
        assert_eq!(before.shards.len(), 3);
        for shard in &before.shards {
            let id = |node: &Arc<Node>| {
                let at = cluster
                    .nodes()
                    .iter()
                    .position(|server| server.port() == port(node))
                    .unwrap();
                (at, node.id == cluster.id(at))
            };
            let (primary, named) = id(shard.primary.as_ref().unwrap());
            assert!(named && shard.replicas.len() == 1);
            assert_eq!(id(&shard.replicas[0]), (primary + 3, true));
        }
        assert_eq!(before.bucket(b"foo"), Bucket::slot(slot(12_182)));
        assert_eq!(before.bucket(b"{foo}.a"), before.bucket(b"x{foo}"));
        // Whoever is told of a move by a client is right at once, whatever the last look was.
        let atlas = followed.atlas();
        let (from, to) = (&cluster.nodes()[2], &cluster.nodes()[0]);
        cluster.move_slot(12_182, 0);
        let generation = atlas.generation();
        let asked = before.nodes().find(|node| port(node) == from.port()).unwrap();
        let node = atlas.moved(slot(12_182), Some("127.0.0.1"), to.port(), asked);
        assert_eq!(port(&node), to.port());
        assert!(before.nodes().any(|known| Arc::ptr_eq(known, &node)));
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        while std::time::Instant::now() < deadline {
            assert_eq!(
                owner(&followed.layout(), 12_182),
                to.port(),
                "never undone by an older look"
            );
        }
        assert!(atlas.generation() > generation);
        // Without a hint, by the next look.
        for moved in [0, 7, 9000] {
            cluster.move_slot(moved, 1);
        }
        soon("the moves are seen", || {
            let layout = followed.layout();
            [0, 7, 9000]
                .iter()
                .all(|number| owner(&layout, *number) == cluster.nodes()[1].port())
        });
        assert_eq!(owner(&followed.layout(), 1), cluster.nodes()[0].port());
        let now = followed.layout();
        assert!(
            now.nodes()
                .all(|node| before.nodes().any(|known| Arc::ptr_eq(known, node)))
        );
    }
}

#[test]
fn failovers_are_followed() {
    for flavour in Flavour::ALL {
        let mut cluster = RedisCluster::start(flavour);
        // Too long to be the reason why a change is seen.
        let followed = followed(&cluster, "1h");
        let [one, four] = [cluster.nodes()[1].port(), cluster.nodes()[4].port()];
        cluster.fail_over(4);
        soon("the planned failover is seen", || {
            owner(&followed.layout(), 6000) == four
        });
        // The first look may have come before the nodes had told one another.
        eventually("the old primary is a replica", || {
            followed.atlas().refresh();
            followed.replicas().contains(&one)
        });
        cluster.wait_ok();
        cluster.node(4).kill();
        eventually("the cluster has another primary", || {
            cluster.nodes()[1].info("role") == "master" && cluster.owner(6000) == 1
        });
        soon("the loss is seen", || owner(&followed.layout(), 6000) == one);
        eventually("the dead one is gone", || {
            followed.atlas().refresh();
            followed.layout().nodes().all(|node| port(node) != four)
        });
        soon("it is ready", || followed.redis.unready().is_empty());
        cluster.node(4).run();
        cluster.wait_ok();
        eventually("it is back", || {
            followed.atlas().refresh();
            followed.replicas().contains(&four)
        });
    }
}

#[test]
fn a_redirection_may_name_somebody_new() {
    let cluster = RedisCluster::of(Flavour::Valkey, 3, 0);
    let followed = Followed::start(&endpoints(&cluster.nodes()[..1]), &clustered("1h"));
    soon("the layout is known", || followed.layout().nodes().count() == 3);
    let atlas = followed.atlas();
    let layout = followed.layout();
    let from = layout
        .nodes()
        .find(|node| port(node) == cluster.nodes()[0].port())
        .unwrap();
    let generation = atlas.generation();
    let asked = atlas.at(Some("127.0.0.2"), 7000, from);
    assert_eq!(asked.endpoint.address.to_string(), "127.0.0.2:7000");
    assert!(
        Arc::ptr_eq(&asked, &atlas.at(Some("127.0.0.2"), 7000, from)),
        "the same for as long as it is known"
    );
    let here = atlas.at(None, cluster.nodes()[1].port(), from);
    assert!(
        layout.nodes().any(|node| Arc::ptr_eq(node, &here)),
        "no host is the host that was asked"
    );
    assert_eq!(atlas.generation(), generation, "ASK changes nothing");
    // A lie, or news that nobody else has heard yet: it holds until the nodes are asked.
    let moved = atlas.moved(slot(5), Some("127.0.0.2"), 7000, from);
    assert!(Arc::ptr_eq(&moved, &asked));
    soon("the cluster says otherwise", || {
        owner(&followed.layout(), 5) == cluster.nodes()[0].port()
    });
    assert_eq!(followed.layout().nodes().count(), 3);
    for number in 0..5000_u16 {
        atlas.at(Some("127.0.0.2"), number + 1, from);
    }
}

#[test]
fn other_seeds_may_be_another_cluster() {
    let (first, second) = (
        RedisCluster::of(Flavour::Redis, 3, 0),
        RedisCluster::of(Flavour::Redis, 3, 0),
    );
    // The first one has seen more changes than the second.
    assert_eq!(
        first.nodes()[0].ask(&["CLUSTER", "BUMPEPOCH"]).text().split(' ').next(),
        Some("BUMPED")
    );
    let followed = Followed::start(&endpoints(&first.nodes()[..2]), &clustered("1h"));
    let is_of = |cluster: &RedisCluster| {
        let layout = followed.layout();
        let ports: Vec<u16> = cluster.nodes().iter().map(tidegate_kit::Redis::port).collect();
        layout.nodes().count() == 3 && layout.nodes().all(|node| ports.contains(&port(node)))
    };
    soon("the layout is known", || is_of(&first));
    let atlas = followed.atlas();
    followed.reload(&endpoints(&first.nodes()[1..]), &clustered("1h"));
    std::thread::sleep(Duration::from_millis(500));
    assert!(is_of(&first) && Arc::ptr_eq(&atlas, &followed.atlas()));
    followed.reload(&endpoints(&second.nodes()[1..]), &clustered("1h"));
    soon("the other cluster is followed", || is_of(&second));
}

#[test]
fn a_server_that_is_no_cluster_is_told_of() {
    let server = tidegate_kit::Redis::start(Flavour::Redis);
    let followed = Followed::start(&endpoints([&server]), &clustered("1h"));
    soon("it is said why", || {
        followed
            .redis
            .unready()
            .iter()
            .any(|why| why.contains("cluster support disabled"))
    });
    assert!(followed.layout().is_unknown());
}
