//! Keys stay where twemproxy put them (`golden/twemproxy.txt`, recorded from twemproxy itself).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use tidegate_redis_wire::hash::{Distribution, Hash, Member, Ring};
use tidegate_redis_wire::slot::hash_tag;

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn keys_stay_where_twemproxy_put_them() {
    let members = [("a", 1), ("bb", 2), ("cc", 1), ("server-four", 3)].map(|(name, weight)| Member {
        name: name.to_owned(),
        weight,
    });
    let mut lines = include_str!("golden/twemproxy.txt").lines().skip(1);
    let keys: Vec<Vec<u8>> = lines.next().unwrap().split(' ').skip(1).map(bytes).collect();
    let mut pools = 0;
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let (hash, distribution) = (
            Hash::by_name(words[0]).unwrap(),
            Distribution::by_name(words[1]).unwrap(),
        );
        let ring = Ring::new(distribution, &members);
        let picks = keys.iter().map(|key| ring.pick(hash.of(hash_tag(key, b"{}"))).unwrap());
        let picks: String = picks.map(|index| index.to_string()).collect();
        assert_eq!(picks, words[2], "{} over {}", words[0], words[1]);
        pools += 1;
    }
    assert_eq!((pools, keys.len()), (24, 72));
}
