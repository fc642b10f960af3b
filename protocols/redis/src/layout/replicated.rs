use std::sync::Arc;

use tidegate_cluster::{Endpoint, Role};
use tidegate_redis_wire::ReplyError;
use tidegate_redis_wire::reply::Value;
use tidegate_redis_wire::topology::Replication;

use super::book::Known;
use super::config::RedisKind as Kind;
use super::shards::{Layout, Shard};
use super::survey::Survey;
use super::talk::Talk;
use super::watch::Watch;
use crate::dial::DialError;
use crate::plan::ClusterRules;

/// The most servers that are asked at once.
const AT_ONCE: usize = 64;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    is_master: bool,
    history: Vec<u8>,
    offset: u64,
    followers: u64,
}

/// Asks every server; `Ok` says whether all was in order.
pub(super) async fn look(watch: &mut Watch, rules: &Arc<ClusterRules>) -> Result<bool, String> {
    let (_, endpoints) = watch.atlas.seeds();
    let moves = watch.atlas.moves();
    let survey = Survey::of(endpoints.to_vec(), AT_ONCE, |endpoint| ask(rules, endpoint)).await;
    if survey.answers.is_empty() {
        return Err(survey.failure("server"));
    }
    let before = watch.atlas.layout();
    let leader = before.primaries().next().map(|node| Arc::clone(&node.endpoint));
    let masters = survey.answers.iter().filter(|(_, told)| told.is_master).count();
    let chosen = choose(&survey.answers, leader.as_ref());
    if masters > 1 {
        tell_of_two(watch, &survey.answers, chosen.map(|(endpoint, _)| endpoint));
    } else {
        watch.rivals.clear();
    }
    if let Some((_, told)) = chosen {
        watch.history.clone_from(&told.history);
    }
    // One that cannot be asked at the moment stays what it was; one that says it follows is no primary.
    let answered = |endpoint: &Arc<Endpoint>| survey.answers.iter().any(|(known, _)| Arc::ptr_eq(known, endpoint));
    let stays = leader.filter(|leader| !answered(leader) && endpoints.iter().any(|known| Arc::ptr_eq(known, leader)));
    let primary = chosen.map(|(endpoint, _)| Arc::clone(endpoint)).or(stays);
    if primary.is_none() && before.is_unknown() {
        return Err("no server says that it is the primary".to_owned());
    }
    let follows = |endpoint: &Arc<Endpoint>| match survey.answers.iter().find(|(known, _)| Arc::ptr_eq(known, endpoint))
    {
        Some((_, told)) => !told.is_master && told.history == watch.history,
        None => before
            .shards
            .iter()
            .flat_map(|shard| &shard.replicas)
            .any(|node| Arc::ptr_eq(&node.endpoint, endpoint)),
    };
    let replicas: Vec<_> = endpoints
        .iter()
        .filter(|endpoint| primary.as_ref().is_none_or(|primary| !Arc::ptr_eq(primary, endpoint)))
        .filter(|endpoint| follows(endpoint))
        .collect();
    let is_settled = chosen.is_some() && masters == 1 && replicas.len() + 1 == endpoints.len();
    watch.atlas.publish(moves, "the servers say so", |known| {
        let mut node = |endpoint: &Arc<Endpoint>, role| known.of(endpoint, role);
        let shard = Shard {
            primary: primary.as_ref().map(|endpoint| node(endpoint, Role::Primary)),
            replicas: replicas.iter().map(|endpoint| node(endpoint, Role::Replica)).collect(),
        };
        Layout::one(Kind::Replicated, shard)
    });
    watch.seeds_answered();
    Ok(is_settled && survey.failures.is_empty())
}

/// The primary among those who say they are: whom most follow, else who has come farther, else who was it before, else
/// who is configured to be it.
fn choose<'a>(
    answers: &'a [(Arc<Endpoint>, Told)],
    before: Option<&Arc<Endpoint>>,
) -> Option<(&'a Arc<Endpoint>, &'a Told)> {
    let followers = |master: &Told| {
        let follow = |told: &&(Arc<Endpoint>, Told)| !told.1.is_master && told.1.history == master.history;
        let seen = u64::try_from(answers.iter().filter(follow).count()).unwrap_or(u64::MAX);
        seen.max(master.followers)
    };
    let masters = answers.iter().filter(|(_, told)| told.is_master);
    let best = masters.max_by_key(|(endpoint, told)| {
        let was = before.is_some_and(|before| Arc::ptr_eq(before, endpoint));
        (followers(told), told.offset, was, endpoint.role == Role::Primary)
    });
    best.map(|(endpoint, told)| (endpoint, told))
}

/// Says once that several servers take writes: what the others take is lost in the end.
fn tell_of_two(watch: &mut Watch, answers: &[(Arc<Endpoint>, Told)], chosen: Option<&Arc<Endpoint>>) {
    let is_rival = |endpoint: &Arc<Endpoint>| chosen.is_none_or(|chosen| !Arc::ptr_eq(chosen, endpoint));
    let rivals = answers
        .iter()
        .filter(|(endpoint, told)| told.is_master && is_rival(endpoint));
    let mut rivals: Vec<String> = rivals.map(|(endpoint, _)| endpoint.address.to_string()).collect();
    rivals.sort();
    if rivals != watch.rivals {
        let chosen = chosen.map(|endpoint| endpoint.address.to_string()).unwrap_or_default();
        tracing::warn!(cluster = %watch.name, %chosen, others = %rivals.join(", "),
            "several servers say that they are the primary; the one that most follow, or that has come farther, is taken");
        watch.rivals = rivals;
    }
}

async fn ask(rules: &ClusterRules, endpoint: Arc<Endpoint>) -> Result<Told, DialError> {
    let limit = rules.cluster.health.timeout.duration();
    let conversation = async {
        let mut talk = Talk::open(rules, &endpoint, rules.credential.as_ref()).await?;
        let (reply, _) = Value::read(talk.ask(&["INFO", "replication"], "INFO").await?)?;
        let info = reply.text().and_then(Replication::read).ok_or(ReplyError::Value)?;
        Ok(Told {
            is_master: info.is_master,
            history: info.history.to_vec(),
            offset: info.offset,
            followers: info.followers,
        })
    };
    Talk::within(limit, &endpoint, conversation).await
}

impl Known {
    /// The node of a configured endpoint.
    fn of(&mut self, endpoint: &Arc<Endpoint>, role: Role) -> Arc<super::node::Node> {
        let node = self.node(&endpoint.address, "", role);
        if Arc::ptr_eq(&node.endpoint, endpoint) {
            node
        } else {
            super::node::Node::nameless(endpoint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(is_master: bool, history: &str, offset: u64, followers: u64) -> (Arc<Endpoint>, Told) {
        let endpoint = Endpoint::new("a:1".parse().unwrap(), None, Role::Primary, 1);
        let told = Told {
            is_master,
            history: history.as_bytes().to_vec(),
            offset,
            followers,
        };
        (Arc::new(endpoint), told)
    }

    #[track_caller]
    fn check(answers: &[(Arc<Endpoint>, Told)], before: Option<usize>, expected: Option<usize>) {
        let chosen = choose(answers, before.map(|at| &answers[at].0));
        let at = chosen.and_then(|(endpoint, _)| answers.iter().position(|(e, _)| Arc::ptr_eq(e, endpoint)));
        assert_eq!(at, expected);
    }

    #[test]
    fn of_several_primaries_one_is_right() {
        check(&[told(false, "a", 5, 0), told(true, "a", 5, 1)], None, Some(1));
        check(&[told(false, "a", 5, 0), told(false, "a", 5, 0)], Some(0), None);
        // Whom more follow.
        let split = [told(true, "a", 900, 0), told(true, "b", 5, 1), told(false, "b", 5, 0)];
        check(&split, Some(0), Some(1));
        // Who has come farther, whoever was it before.
        check(&[told(true, "a", 5, 0), told(true, "b", 6, 0)], Some(0), Some(1));
        // Who was it before.
        check(&[told(true, "a", 5, 0), told(true, "b", 5, 0)], Some(0), Some(0));
    }
}
