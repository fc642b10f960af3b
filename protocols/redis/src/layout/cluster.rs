use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tidegate_base::Address;
use tidegate_cluster::{Endpoint, Role};
use tidegate_redis_wire::ReplyError;
use tidegate_redis_wire::reply::{Node as Told, SlotRange, Value};
use tidegate_redis_wire::slot::Slot;
use tidegate_redis_wire::topology::{ClusterInfo, slot_ranges};

use super::book::Known;
use super::shards::{Layout, Shard};
use super::survey::Survey;
use super::talk::Talk;
use super::watch::Watch;
use crate::dial::DialError;
use crate::plan::ClusterRules;

/// How many nodes are asked at once; of what they tell, the newest counts.
const AT_ONCE: usize = 5;
/// The most nodes that are asked in one look; the next look asks others.
const MOST_ASKED: usize = 25;
/// The most nodes that a cluster may have. The specification thinks of a thousand.
const MOST_NODES: usize = 16_384;

/// Consecutive slots and who serves them, by id and port.
type Served<'a> = (Slot, Slot, Vec<(&'a str, u16)>);

/// What one node tells of its cluster.
#[derive(Debug)]
struct Answer {
    info: ClusterInfo,
    ranges: Vec<SlotRange>,
}

/// Looks at a cluster; `Ok` says whether all was in order.
pub(super) async fn look(watch: &mut Watch, rules: &Arc<ClusterRules>) -> Result<bool, String> {
    let moves = watch.atlas.moves();
    let survey = Survey::of(candidates(watch), AT_ONCE, |endpoint| ask(rules, endpoint)).await;
    let newest = survey.answers.iter().max_by_key(|(_, answer)| rank(answer));
    let (endpoint, newest) = newest.ok_or_else(|| survey.failure("node of the cluster"))?;
    if newest.ranges.is_empty() {
        return Err(format!("{} knows of no slots", endpoint.address));
    }
    let epoch = newest.info.current_epoch;
    if !watch
        .epochs
        .admit(epoch, survey.answers.len(), survey.asked, Instant::now())
    {
        return Err(format!("{} tells of epoch {epoch}, which is over", endpoint.address));
    }
    let reason = format!("{} says so in epoch {epoch}", endpoint.address);
    watch
        .atlas
        .publish(moves, &reason, |known| draw(newest, &endpoint.address, known));
    watch.seeds_answered();
    let layout = watch.atlas.layout();
    let is_missed = |endpoint: &Arc<Endpoint>| layout.nodes().any(|node| Arc::ptr_eq(&node.endpoint, endpoint));
    let served = served(newest);
    let agree = |(_, answer): &(_, Answer)| answer.info.current_epoch < epoch || self::served(answer) == served;
    Ok(newest.info.is_ok
        && layout.is_whole()
        && survey.answers.iter().all(agree)
        && !survey.failures.iter().any(|(endpoint, _)| is_missed(endpoint)))
}

/// The newest first; of two as new, one that takes commands and knows more.
fn rank(answer: &Answer) -> (bool, u64, bool, u64) {
    let ClusterInfo {
        is_ok,
        current_epoch,
        known_nodes,
    } = answer.info;
    (!answer.ranges.is_empty(), current_epoch, is_ok, known_nodes)
}

/// Whom to ask, in order. New seeds may lead to another cluster, of which the old nodes know nothing.
fn candidates(watch: &mut Watch) -> Vec<Arc<Endpoint>> {
    let (_, seeds) = watch.atlas.seeds();
    watch.turn = watch.turn.wrapping_add(1);
    let turned = |endpoints: Vec<Arc<Endpoint>>| {
        let by = watch.turn.checked_rem(endpoints.len()).unwrap_or(0);
        let (before, behind) = endpoints.split_at(by);
        [behind, before].concat()
    };
    if watch.has_new_seeds() {
        return turned(seeds.to_vec());
    }
    let layout = watch.atlas.layout();
    let endpoints = |is_well: bool| {
        let nodes = layout.primaries().chain(layout.nodes()).map(|node| &node.endpoint);
        let nodes = nodes.filter(move |endpoint| endpoint.is_well() == is_well);
        turned(nodes.cloned().collect())
    };
    let witness = watch.atlas.witness().map(|node| Arc::clone(&node.endpoint));
    let well = endpoints(true);
    let (first, further) = well.split_at(well.len().min(2));
    let (ill, seeds) = (endpoints(false), turned(seeds.to_vec()));
    let mut ordered: Vec<Arc<Endpoint>> = Vec::new();
    for endpoint in witness.iter().chain(first).chain(&seeds).chain(further).chain(&ill) {
        if ordered.len() < MOST_ASKED && !ordered.iter().any(|known| known.address == endpoint.address) {
            ordered.push(Arc::clone(endpoint));
        }
    }
    ordered
}

async fn ask(rules: &ClusterRules, endpoint: Arc<Endpoint>) -> Result<Answer, DialError> {
    let limit = rules.cluster.health.timeout.duration();
    let conversation = async {
        let mut talk = Talk::open(rules, &endpoint, rules.credential.as_ref()).await?;
        // Both at once: the epoch must not be newer than the slots.
        talk.say(&["CLUSTER", "INFO"]).await?;
        talk.say(&["CLUSTER", "SLOTS"]).await?;
        let (info, _) = Value::read(talk.hear("CLUSTER INFO").await?)?;
        let info = info.text().and_then(ClusterInfo::read).ok_or(ReplyError::Value)?;
        let (slots, _) = Value::read(talk.hear("CLUSTER SLOTS").await?)?;
        let ranges = slot_ranges(&slots)?;
        Ok(Answer { info, ranges })
    };
    Talk::within(limit, &endpoint, conversation).await
}

fn draw(answer: &Answer, asked: &Address, known: &mut Known) -> Layout {
    let mut shards: Vec<Shard> = Vec::new();
    let mut places: HashMap<Address, usize> = HashMap::new();
    let mut slots = Vec::new();
    for range in &answer.ranges {
        let mut nodes = range
            .nodes
            .iter()
            .filter_map(|node| Some((node, address(node, asked)?)));
        let Some((primary, at)) = nodes.next().filter(|_| known.len() < MOST_NODES) else {
            continue;
        };
        let shard = *places.entry(at).or_insert_with_key(|at| {
            shards.push(Shard {
                primary: Some(known.node(at, &primary.id, Role::Primary)),
                replicas: Vec::new(),
            });
            shards.len() - 1
        });
        slots.push((range.first, range.last, shard));
        let Some(shard) = shards.get_mut(shard) else { continue };
        for (replica, at) in nodes {
            if !shard.replicas.iter().any(|known| known.endpoint.address == at) && known.len() < MOST_NODES {
                shard.replicas.push(known.node(&at, &replica.id, Role::Replica));
            }
        }
    }
    Layout::slots(shards, &slots)
}

/// Where a node is. One that does not say its host is where the one that was asked is, or, when it only lacks the name
/// that it is to be known by, at its address.
fn address(node: &Told, asked: &Address) -> Option<Address> {
    let host = match node.endpoint.as_str() {
        "?" => node
            .metadata
            .iter()
            .find(|(name, _)| name == "ip")
            .map(|(_, ip)| ip.as_str()),
        host => Some(host),
    };
    let host = host.filter(|host| !host.is_empty()).or_else(|| asked.host())?;
    (node.port > 0).then(|| Address::Tcp {
        host: host.to_owned(),
        port: node.port,
    })
}

/// Who serves which slots, to compare by: the primary first, and the replicas in one order.
fn served(answer: &Answer) -> Vec<Served<'_>> {
    let ranges = answer.ranges.iter().map(|range| {
        let mut nodes: Vec<_> = range.nodes.iter().map(|node| (node.id.as_str(), node.port)).collect();
        if let Some((_, replicas)) = nodes.split_first_mut() {
            replicas.sort_unstable();
        }
        (range.first, range.last, nodes)
    });
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_not_said() {
        let asked: Address = "10.0.0.9:7000".parse().unwrap();
        let check = |endpoint: &str, metadata: &[(&str, &str)], expected: &str| {
            let metadata = metadata
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect();
            let node = Told {
                endpoint: endpoint.to_owned(),
                port: 7001,
                id: String::new(),
                metadata,
            };
            assert_eq!(address(&node, &asked).unwrap().to_string(), expected);
        };
        check("10.0.0.1", &[], "10.0.0.1:7001");
        check("::1", &[], "[::1]:7001");
        check("one.example", &[("ip", "10.0.0.1")], "one.example:7001");
        check("", &[("ip", "10.0.0.1")], "10.0.0.9:7001");
        check("?", &[("ip", "10.0.0.1")], "10.0.0.1:7001");
        check("?", &[], "10.0.0.9:7001");
    }
}
