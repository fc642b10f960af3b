use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tidegate_base::{Reason, Refusal};
use tidegate_engine::Answer;

use super::Console;
use super::port::{Orders, Subject};

/// How often it is looked whether the last connection is gone.
const LOOK: Duration = Duration::from_millis(50);

/// Clusters and their databases that go by one name.
type Databases = BTreeSet<(String, String)>;

impl<S: Subject> Console<S> {
    /// Lets nobody have a server connection, and waits until all are closed, or somebody takes it back.
    pub(super) async fn pause(&self, name: &str) -> Result<Answer, Refusal> {
        let databases = self.databases(name).await?;
        self.order(|orders| {
            may_stop(orders)?;
            match &databases {
                Some(databases) => orders.paused.extend(databases.iter().cloned()),
                None => orders.is_paused = true,
            }
            Ok(())
        })
        .await?;
        let holds = |orders: Orders| match &databases {
            Some(databases) => databases.is_subset(&orders.paused),
            None => orders.is_paused,
        };
        while holds(self.subject.orders()) && self.scene().await.connections(databases.as_ref()) > 0 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(Answer::done("PAUSE"))
    }

    /// Reads nothing more, and waits until what is held is written out; closes those who do not take it in time.
    pub(super) async fn suspend(&self) -> Result<Answer, Refusal> {
        self.order(|orders| {
            may_stop(orders)?;
            orders.is_suspended = true;
            Ok(())
        })
        .await?;
        let limit = self.subject.layout().await.suspend_timeout;
        let mut deadline = limit.map(|limit| Instant::now() + limit);
        while self.subject.orders().is_suspended {
            let scene = self.scene().await;
            let moving = scene.clients.iter().filter(|client| !client.is_still);
            let moving: Vec<u64> = moving.map(|client| client.id).collect();
            if moving.is_empty() {
                break;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                deadline = None;
                self.subject.kill(moving).await;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(Answer::done("SUSPEND"))
    }

    /// Goes on.
    pub(super) async fn resume(&self, name: &str) -> Result<Answer, Refusal> {
        let databases = self.databases(name).await?;
        self.order(|orders| match &databases {
            Some(databases) => {
                let before = orders.paused.len();
                orders.paused.retain(|key| !databases.contains(key));
                if orders.paused.len() == before {
                    return no(format!("database {name} is not paused"));
                }
                Ok(())
            }
            None if orders.is_paused || orders.is_suspended => {
                (orders.is_paused, orders.is_suspended) = (false, false);
                Ok(())
            }
            None => no("pooler is not paused/suspended".to_owned()),
        })
        .await?;
        Ok(Answer::done("RESUME"))
    }

    /// Lets no new client in, or lets them in again.
    pub(super) async fn enable(&self, name: &str, is_enabled: bool) -> Result<Answer, Refusal> {
        let Some(databases) = self.databases(name).await? else {
            return no("a database is required".to_owned());
        };
        self.order(|orders| {
            if is_enabled {
                orders.disabled.retain(|key| !databases.contains(key));
            } else {
                orders.disabled.extend(databases.iter().cloned());
            }
            Ok(())
        })
        .await?;
        Ok(Answer::done(if is_enabled { "ENABLE" } else { "DISABLE" }))
    }

    /// Ends the clients of a database, or all, and pauses what they were in.
    pub(super) async fn kill(&self, name: &str) -> Result<Answer, Refusal> {
        let databases = self.databases(name).await?;
        let scene = self.scene().await;
        let databases = databases.unwrap_or_else(|| scene.used());
        self.order(|orders| {
            may_stop(orders)?;
            orders.paused.extend(databases.iter().cloned());
            Ok(())
        })
        .await?;
        // Looked at again: who came in between goes too.
        let scene = self.scene().await;
        let clients = scene.clients.iter();
        let ids = clients
            .filter(|client| databases.contains(&(client.cluster.clone(), client.space.clone())))
            .map(|client| client.id)
            .collect();
        self.subject.kill(ids).await;
        Ok(Answer::done("KILL"))
    }

    /// Ends one client.
    pub(super) async fn kill_client(&self, id: &str) -> Result<Answer, Refusal> {
        let Ok(id) = id.parse::<u64>() else {
            return no("invalid client pointer supplied".to_owned());
        };
        let scene = self.scene().await;
        if !scene.clients.iter().any(|client| client.id == id) {
            return no("client not found".to_owned());
        }
        self.subject.kill(vec![id]).await;
        Ok(Answer::done("KILL_CLIENT"))
    }

    /// Makes server connections anew.
    pub(super) async fn reconnect(&self, name: &str) -> Result<Answer, Refusal> {
        let databases = self.databases(name).await?;
        self.subject.renew(databases).await;
        Ok(Answer::done("RECONNECT"))
    }

    /// Waits until the old ones are gone.
    pub(super) async fn wait_close(&self, name: &str) -> Result<Answer, Refusal> {
        let databases = self.databases(name).await?;
        while self.scene().await.has_leaving(databases.as_ref()) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(Answer::done("WAIT_CLOSE"))
    }

    /// Changes what is ordered, one change after the other.
    async fn order(&self, change: impl FnOnce(&mut Orders) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let ordering = {
            let _one = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let mut orders = self.subject.orders();
            change(&mut orders)?;
            self.subject.order(orders)
        };
        ordering.await;
        Ok(())
    }

    /// What goes by a name; all that there is when it is empty.
    async fn databases(&self, name: &str) -> Result<Option<Databases>, Refusal> {
        if name.is_empty() {
            return Ok(None);
        }
        let databases = self.scene().await.named(name);
        if databases.is_empty() {
            return no(format!("no such database: {name}"));
        }
        Ok(Some(databases))
    }
}

fn may_stop(orders: &Orders) -> Result<(), Refusal> {
    if orders.is_paused || orders.is_suspended {
        return no("already suspended/paused".to_owned());
    }
    Ok(())
}

fn no<T>(text: String) -> Result<T, Refusal> {
    Err(Refusal::new(Reason::Invalid, text))
}
