use std::sync::Arc;
use std::time::Duration;

use tidegate_cluster::Endpoint;
use tidegate_redis_wire::reply::Value;

use super::atlas::Atlas;
use super::talk::Talk;
use crate::dial::DialError;
use crate::plan::ClusterRules;

/// What sentinels announce that is worth a look.
const CHANNELS: [&str; 4] = ["SUBSCRIBE", "+switch-master", "+promoted-slave", "+slave"];
/// A sentinel that is silent for so long is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(10);
/// Time between two attempts to find one that talks.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens to one sentinel after another, for speed: what they announce makes the layout be looked at, and no more is
/// believed of it.
pub(super) async fn listen(atlas: &Atlas, rules: impl Fn() -> Option<Arc<ClusterRules>>) {
    for turn in 0_usize.. {
        let (_, sentinels) = atlas.seeds();
        let sentinel = turn.checked_rem(sentinels.len()).and_then(|at| sentinels.get(at));
        if let (Some(sentinel), Some(rules)) = (sentinel, rules()) {
            let ended = listen_to(atlas, &rules, sentinel).await;
            if let Err(error) = ended {
                tracing::debug!(cluster = %rules.cluster.name, sentinel = %sentinel.address, %error,
                    "the announcements of a sentinel ended");
            }
            // What was said in between was not heard.
            atlas.refresh();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_to(atlas: &Atlas, rules: &ClusterRules, sentinel: &Endpoint) -> Result<(), DialError> {
    let name = atlas.topology().master.as_deref().unwrap_or_default();
    let limit = rules.cluster.health.timeout.duration();
    let subscribe = async {
        let mut talk = Talk::open(rules, sentinel, rules.sentinel_credential.as_ref()).await?;
        talk.say(&CHANNELS).await?;
        Ok(talk)
    };
    let mut talk = Talk::within(limit, sentinel, subscribe).await?;
    loop {
        let is_news = if let Ok(message) = tokio::time::timeout(SILENCE, talk.hear("SUBSCRIBE")).await {
            is_about(message?, name)
        } else {
            let answer = async {
                talk.say(&["PING"]).await?;
                talk.hear("PING").await.map(|message| is_about(message, name))
            };
            Talk::within(limit, sentinel, answer).await?
        };
        if is_news {
            atlas.refresh();
        }
    }
}

/// Whether a message names the primary, as in `mymaster 10.0.0.1 6379 10.0.0.2 6379`.
fn is_about(message: &[u8], name: &str) -> bool {
    let Ok((value, _)) = Value::read(message) else {
        return false;
    };
    let mut items = value.items().into_iter().flatten().flatten();
    let is_message = items.next().is_some_and(|kind| kind.text() == Some(b"message"));
    let text = items.nth(1).and_then(|text| text.text()).unwrap_or_default();
    is_message && text.split(|byte| *byte == b' ').any(|word| word == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_about_the_primary_count() {
        let message = |kind: &str, text: &str| {
            format!(
                "*3\r\n${}\r\n{kind}\r\n$1\r\nc\r\n${}\r\n{text}\r\n",
                kind.len(),
                text.len()
            )
        };
        assert!(is_about(
            message("message", "app 10.0.0.1 1 10.0.0.2 2").as_bytes(),
            "app"
        ));
        assert!(is_about(
            message("message", "slave 10.0.0.1:1 10.0.0.1 1 @ app 10.0.0.2 2").as_bytes(),
            "app"
        ));
        assert!(!is_about(
            message("message", "apple 10.0.0.1 1 10.0.0.2 2").as_bytes(),
            "app"
        ));
        assert!(!is_about(message("subscribe", "app").as_bytes(), "app"));
        assert!(!is_about(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", "app"));
        assert!(!is_about(b"+app\r\n", "app"));
    }
}
