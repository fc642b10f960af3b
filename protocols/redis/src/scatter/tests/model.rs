use std::collections::HashMap;

use proptest::prelude::*;
use tidegate_redis_wire::reply::{Version, Writer};

use super::*;
use crate::scatter::Asker;

type Store = HashMap<Vec<u8>, Vec<u8>>;

/// A server that knows the commands that are taken apart.
fn run(store: &mut Store, version: Version, words: &[Vec<u8>]) -> Vec<u8> {
    let (name, arguments) = words.split_first().unwrap();
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, version);
    match name.as_slice() {
        b"MGET" => {
            writer.array(arguments.len());
            for key in arguments {
                match store.get(key) {
                    Some(value) => writer.bulk(value),
                    None => writer.null(),
                }
            }
        }
        b"MSET" => {
            for pair in arguments.chunks_exact(2) {
                store.insert(pair[0].clone(), pair[1].clone());
            }
            writer.ok();
        }
        b"EXISTS" | b"TOUCH" => {
            let count = arguments.iter().filter(|key| store.contains_key(*key)).count();
            writer.integer(count.try_into().unwrap());
        }
        b"DEL" | b"UNLINK" => {
            let count = arguments.iter().filter(|key| store.remove(*key).is_some()).count();
            writer.integer(count.try_into().unwrap());
        }
        other => panic!("{other:?}"),
    }
    out
}

/// Several servers, each with its buckets.
fn run_scattered(stores: &mut [Store], version: Version, words: &[Vec<u8>], buckets: &impl Buckets) -> Vec<u8> {
    let count = stores.len();
    let mut at = |bucket: u16, bytes: &[u8]| {
        let words = super::words(bytes);
        let step = if words[0] == b"MSET" { 2 } else { 1 };
        for key in words[1..].iter().step_by(step) {
            assert_eq!(buckets.bucket(key), bucket);
        }
        run(&mut stores[usize::from(bucket) % count], version, &words)
    };
    match way_of(words, buckets) {
        Way::Bucket(bucket) => at(bucket, &encode(words)),
        Way::Parts(scatter) => {
            assert!(scatter.pieces().len() > 1);
            // They may be answered in any order.
            let mut replies: Vec<_> = scatter.pieces().enumerate().collect();
            replies.reverse();
            let mut replies: Vec<_> = replies
                .into_iter()
                .map(|(index, (bucket, bytes))| (index, at(bucket, bytes)))
                .collect();
            replies.sort();
            let replies: Vec<&[u8]> = replies.iter().map(|(_, reply)| reply.as_slice()).collect();
            let mut out = Vec::new();
            scatter.merge(
                &Asker {
                    version,
                    ..Asker::default()
                },
                &replies,
                &mut out,
            );
            out
        }
        other => panic!("{other:?}"),
    }
}

/// Few keys, so that they come again; some with tags.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..12_u8).prop_map(|number| format!("key{number}").into_bytes()),
        (0..3_u8, 0..3_u8).prop_map(|(tag, number)| format!("{{{tag}}}{number}").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..3),
    ]
}

fn command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let names = prop::sample::select(vec!["MGET", "MSET", "EXISTS", "TOUCH", "DEL", "UNLINK"]);
    (
        names,
        prop::collection::vec((key(), prop::collection::vec(any::<u8>(), 0..9)), 1..12),
    )
        .prop_map(|(name, pairs)| {
            let mut words = vec![name.as_bytes().to_vec()];
            for (key, value) in pairs {
                words.push(key);
                words.extend((name == "MSET").then_some(value));
            }
            words
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Several servers answer as one would, and keep what it would.
    #[test]
    fn several_are_as_one(commands in prop::collection::vec(command(), 1..20), servers in 1..5_u16, resp3: bool) {
        let version = if resp3 { Version::Resp3 } else { Version::Resp2 };
        let mut one = Store::new();
        let mut slots = vec![Store::new(); servers.into()];
        let mut shards = slots.clone();
        for words in &commands {
            let expected = run(&mut one, version, words);
            prop_assert_eq!(&run_scattered(&mut slots, version, words, &Slots), &expected);
            prop_assert_eq!(&run_scattered(&mut shards, version, words, &Servers(servers)), &expected);
        }
        for stores in [slots, shards] {
            let all: Store = stores.into_iter().flatten().collect();
            prop_assert_eq!(&all, &one);
        }
    }
}
