use std::sync::Arc;
use std::time::Instant;

use tidegate_base::Address;
use tidegate_cluster::{Endpoint, Role as Found};
use tidegate_redis_wire::reply::Value;
use tidegate_redis_wire::topology::{Master, Place, Role, place, watched};

use super::config::RedisKind as Kind;
use super::shards::{Layout, Shard};
use super::survey::Survey;
use super::talk::Talk;
use super::watch::Watch;
use crate::dial::DialError;
use crate::plan::ClusterRules;

/// The most sentinels that are asked at once.
const AT_ONCE: usize = 16;

/// What one sentinel tells.
#[derive(Debug)]
struct Answer {
    epoch: u64,
    primary: Address,
    replicas: Vec<Address>,
}

/// Asks the sentinels and then the primary itself; `Ok` says whether all was in order.
pub(super) async fn look(watch: &mut Watch, rules: &Arc<ClusterRules>) -> Result<bool, String> {
    let name = watch.atlas.topology().master.clone().unwrap_or_default();
    let (moves, (_, sentinels)) = (watch.atlas.moves(), watch.atlas.seeds());
    let survey = Survey::of(sentinels.to_vec(), AT_ONCE, |endpoint| ask(rules, endpoint, &name)).await;
    let known = survey
        .answers
        .iter()
        .filter_map(|(endpoint, answer)| Some((endpoint, answer.as_ref()?)));
    let newest = known.max_by_key(|(_, answer)| answer.epoch);
    let (endpoint, newest) = match (newest, survey.answers.first()) {
        (Some(newest), _) => newest,
        (None, Some((endpoint, _))) => return Err(format!("{} knows of no `{name}`", endpoint.address)),
        (None, None) => return Err(survey.failure("sentinel")),
    };
    if !watch
        .epochs
        .admit(newest.epoch, survey.answers.len(), sentinels.len(), Instant::now())
    {
        let epoch = newest.epoch;
        return Err(format!("{} tells of epoch {epoch}, which is over", endpoint.address));
    }
    verify(watch, rules, &newest.primary).await?;
    let reason = format!("sentinel {} says so in epoch {}", endpoint.address, newest.epoch);
    watch.atlas.publish(moves, &reason, |known| {
        let primary = known.node(&newest.primary, "", Found::Primary);
        let others = newest.replicas.iter().filter(|address| **address != newest.primary);
        let shard = Shard {
            primary: Some(primary),
            replicas: others.map(|address| known.node(address, "", Found::Replica)).collect(),
        };
        Layout::one(Kind::Sentinel, shard)
    });
    watch.seeds_answered();
    let agree = |answer: &Answer| answer.primary == newest.primary;
    Ok(survey
        .answers
        .iter()
        .all(|(_, answer)| answer.as_ref().is_some_and(agree)))
}

/// A primary must say itself that it is one: sentinels learn of a change one after another.
async fn verify(watch: &Watch, rules: &Arc<ClusterRules>, address: &Address) -> Result<(), String> {
    let layout = watch.atlas.layout();
    let known = layout
        .nodes()
        .map(|node| &node.endpoint)
        .find(|endpoint| endpoint.address == *address);
    let new = || Arc::new(Endpoint::new(address.clone(), None, Found::Primary, 1));
    let endpoint = known.map_or_else(new, Arc::clone);
    let limit = rules.cluster.health.timeout.duration();
    let is_master = async {
        let mut talk = Talk::open(rules, &endpoint, rules.credential.as_ref()).await?;
        let (reply, _) = Value::read(talk.ask(&["ROLE"], "ROLE").await?)?;
        Ok(matches!(Role::read(&reply)?, Role::Master { .. }))
    };
    match Talk::within(limit, &endpoint, is_master).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "the sentinels name {address}, which says that it is no primary"
        )),
        Err(error) => Err(format!(
            "the sentinels name {address}, which does not say that it is the primary: {error}"
        )),
    }
}

/// `None` from a sentinel that does not know the name.
async fn ask(rules: &ClusterRules, endpoint: Arc<Endpoint>, name: &str) -> Result<Option<Answer>, DialError> {
    let limit = rules.cluster.health.timeout.duration();
    let conversation = async {
        let mut talk = Talk::open(rules, &endpoint, rules.sentinel_credential.as_ref()).await?;
        let address = |place: &Place<'_>| Address::Tcp {
            host: place.host.to_owned(),
            port: place.port,
        };
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name];
        let (reply, _) = Value::read(talk.ask(&words, "SENTINEL GET-MASTER-ADDR-BY-NAME").await?)?;
        // It names the new primary before SENTINEL MASTER does: during a failover, once its replica has taken over.
        let Some(primary) = place(&reply)?.as_ref().map(address) else {
            return Ok(None);
        };
        let (reply, _) = Value::read(talk.ask(&["SENTINEL", "MASTER", name], "SENTINEL MASTER").await?)?;
        let epoch = Master::read(&reply)?.config_epoch;
        let (reply, _) = Value::read(talk.ask(&["SENTINEL", "REPLICAS", name], "SENTINEL REPLICAS").await?)?;
        let mut replicas = Vec::new();
        for watched in watched(&reply)? {
            let watched = watched?;
            if watched.is_up {
                replicas.push(address(&watched.place));
            }
        }
        Ok(Some(Answer {
            epoch,
            primary,
            replicas,
        }))
    };
    Talk::within(limit, &endpoint, conversation).await
}
