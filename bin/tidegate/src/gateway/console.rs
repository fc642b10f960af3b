mod layout;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_admin::Source;
use tidegate_engine::{ListenerView, Protocol, RoomView, VirtualDatabase};
use tidegate_pgbouncer::console::{Console, Ending, Layout, Orders, PERIOD, PeerOf, Setting, Subject, Sums, Totals};
use tidegate_postgres::Postgres;
use tokio::runtime::Handle;

use layout::{flatten, host_and_port, layout};

use super::Gateway;
use crate::registry::{POSTGRES, Protocols};
use crate::version::VERSION;

/// The gateway as its console knows it.
struct Post {
    gateway: Weak<Gateway>,
    /// Where work goes that is done whole whoever leaves meanwhile.
    control: Handle,
}

/// The console of a gateway that is being made, on the control plane.
pub(super) fn open(gateway: Weak<Gateway>) -> Arc<dyn VirtualDatabase> {
    let console = Arc::new(Console::new(Post {
        gateway,
        control: Handle::current(),
    }));
    tokio::spawn(keep_averages(Arc::downgrade(&console)));
    console
}

async fn keep_averages(console: Weak<Console<Post>>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        match console.upgrade() {
            Some(console) => console.turn(),
            None => return,
        }
    }
}

impl Post {
    /// Work that is done to its end, also when who waits for it leaves.
    fn whole(&self, work: impl Future<Output = ()> + Send + 'static) -> BoxFuture<'static, ()> {
        let working = self.control.spawn(work);
        async move {
            if let Err(error) = working.await {
                tracing::error!(%error, "what the console ordered has not reached every core");
            }
        }
        .boxed()
    }
}

impl Subject for Post {
    fn version(&self) -> &str {
        VERSION.version
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn views(&self) -> BoxFuture<'_, (Vec<ListenerView>, Vec<RoomView>)> {
        async {
            let Some(gateway) = self.gateway.upgrade() else {
                return Default::default();
            };
            let protocol = gateway.protocols.postgres().name();
            let mut listeners = gateway.engine.listeners().await;
            listeners.retain(|listener| listener.protocol == protocol);
            let mut rooms = gateway.engine.rooms().await;
            for room in &mut rooms {
                room.clients.retain(|client| client.protocol == protocol);
                room.pools.retain(|pool| pool.protocol == protocol);
                room.servers.retain(|server| server.protocol == protocol);
            }
            (listeners, rooms)
        }
        .boxed()
    }

    fn visitors(&self) -> usize {
        let gateway = self.gateway.upgrade();
        gateway.map_or(0, |gateway| gateway.engine.aside())
    }

    fn layout(&self) -> BoxFuture<'_, Layout> {
        async {
            match self.gateway.upgrade() {
                Some(gateway) => layout(&gateway.force.lock().await.loaded.config),
                None => Layout::default(),
            }
        }
        .boxed()
    }

    fn settings(&self) -> BoxFuture<'_, Vec<Setting>> {
        async {
            let mut settings = Vec::new();
            if let Some(gateway) = self.gateway.upgrade() {
                if let Some(settings) = &gateway.force.lock().await.loaded.settings {
                    return settings.clone();
                }
                flatten(String::new(), &Source::config(&*gateway).await, &mut settings);
            }
            settings
        }
        .boxed()
    }

    fn totals(&self) -> Vec<Totals> {
        let gateway = self.gateway.upgrade();
        gateway.map_or_else(Vec::new, |gateway| totals(&gateway.protocols))
    }

    fn peers(&self) -> Vec<PeerOf> {
        let gateway = self.gateway.upgrade();
        let peers = gateway.map(|gateway| gateway.protocols.postgres().peers());
        peers.iter().flatten().map(of_peer).collect()
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), Vec<String>>> {
        async {
            let Some(gateway) = self.gateway.upgrade() else {
                return Err(vec!["the gateway is shutting down".to_owned()]);
            };
            let reloading = self.control.spawn(async move { gateway.reload().await });
            match reloading.await {
                Ok(outcome) => outcome.map(drop),
                Err(error) => Err(vec![error.to_string()]),
            }
        }
        .boxed()
    }

    fn set(&self, key: String, value: String) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>> {
        async {
            let Some(gateway) = self.gateway.upgrade() else {
                return Err(vec!["the gateway is shutting down".to_owned()]);
            };
            let setting = self.control.spawn(async move { gateway.set(key, value).await });
            setting.await.unwrap_or_else(|error| Err(vec![error.to_string()]))
        }
        .boxed()
    }

    fn orders(&self) -> Orders {
        let gateway = self.gateway.upgrade();
        gateway.map_or_else(Orders::default, |gateway| {
            let orders = gateway.protocols.postgres().orders();
            Orders {
                is_suspended: orders.is_suspended,
                is_paused: orders.is_paused,
                paused: orders.paused.clone(),
                disabled: orders.disabled.clone(),
            }
        })
    }

    fn order(&self, orders: Orders) -> BoxFuture<'_, ()> {
        let Some(gateway) = self.gateway.upgrade() else {
            return std::future::ready(()).boxed();
        };
        tracing::info!(?orders, "the console orders");
        let message = gateway.protocols.postgres().order(tidegate_postgres::Orders {
            is_suspended: orders.is_suspended,
            is_paused: orders.is_paused,
            paused: orders.paused,
            disabled: orders.disabled,
        });
        self.whole(async move { gateway.engine.tell(POSTGRES, message).await })
    }

    fn kill(&self, ids: Vec<u64>) -> BoxFuture<'_, ()> {
        let Some(gateway) = self.gateway.upgrade() else {
            return std::future::ready(()).boxed();
        };
        tracing::info!(clients = ids.len(), "the console ends clients");
        self.whole(async move { gateway.engine.tell(POSTGRES, Postgres::kill(ids)).await })
    }

    fn renew(&self, databases: Option<BTreeSet<(String, String)>>) -> BoxFuture<'_, ()> {
        let Some(gateway) = self.gateway.upgrade() else {
            return std::future::ready(()).boxed();
        };
        tracing::info!(?databases, "the console has server connections made anew");
        self.whole(async move { gateway.engine.tell(POSTGRES, Postgres::renew(databases)).await })
    }

    fn end(&self, ending: Ending) {
        tracing::info!(?ending, "the console asks for an end");
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.endings.ask(ending);
        }
    }
}

fn of_peer(peer: &tidegate_postgres::PeerView) -> PeerOf {
    let (host, port) = host_and_port(&peer.address);
    PeerOf {
        number: peer.node,
        host,
        port,
        most: peer.max_cancels,
        active: peer.active,
        waiting: peer.waiting,
    }
}

/// What clients of each group have come to.
pub(super) fn totals(protocols: &Protocols) -> Vec<Totals> {
    protocols.postgres().totals().into_iter().map(of_group).collect()
}

fn of_group(group: tidegate_postgres::Totals) -> Totals {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Totals {
        cluster: group.cluster,
        database: group.database,
        sums: Sums {
            assignments: group.assignments,
            transactions: group.transactions,
            queries: group.queries,
            received: group.received,
            sent: group.sent,
            transaction_us: micros(group.transaction_time),
            query_us: micros(group.query_time),
            wait_us: micros(group.wait_time),
        },
    }
}
