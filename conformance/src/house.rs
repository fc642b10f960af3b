use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidegate_base::Address;
use tidegate_engine::{ClientView, Engine, ListenerPlan, PoolView, Protocol, RoomView, WhenFull};
use tidegate_net::Listening;
use tidegate_telemetry::Registry;
use tokio::runtime::{Builder, Runtime};

/// A gateway within the test's process: the engine with one protocol and one listener, called `main`.
pub struct House {
    control: Runtime,
    engine: Option<Engine>,
    address: SocketAddr,
}

impl House {
    /// Starts one data thread and listens.
    ///
    /// # Panics
    ///
    /// When the gateway does not start: the test is over.
    pub fn start(protocol: Arc<dyn Protocol>, registry: Arc<Registry>) -> Self {
        let control = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let control = control.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let runtime = serde_json::json!({ "data_threads": 1, "login_threads": 1 });
        let runtime = serde_json::from_value(runtime).unwrap_or_else(|error| panic!("{error}"));
        let engine = Engine::start(&runtime, vec![protocol], registry);
        let engine = engine.unwrap_or_else(|error| panic!("the engine does not start: {error}"));
        // The one that the protocols' plans are for.
        let address: Address = "127.0.0.1:0".parse().unwrap_or_else(|error| panic!("{error}"));
        let listener = ListenerPlan {
            name: Arc::from("main"),
            address,
            listening: Listening::default(),
            protocol: 0,
            max_clients: 0,
            max_clients_in_all: 0,
            when_full: WhenFull::Refuse,
            max_clients_per_address: 0,
            pre_auth_timeout: Duration::from_secs(15),
            keepalive: serde_json::from_value(serde_json::json!({})).unwrap_or_else(|error| panic!("{error}")),
            tls: None,
        };
        let applied = control.block_on(engine.apply(vec![listener]));
        applied.unwrap_or_else(|error| panic!("the engine does not listen: {error}"));
        let listening = control.block_on(engine.listeners());
        let address = listening.first().and_then(|listener| listener.address.parse().ok());
        Self {
            control,
            address: address.unwrap_or_else(|| panic!("no address in {listening:?}")),
            engine: Some(engine),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The runtime on which a protocol may look after its servers' health.
    pub fn control(&self) -> &Runtime {
        &self.control
    }

    /// The clients that it has now.
    pub fn clients(&self) -> Vec<ClientView> {
        self.rooms().into_iter().flat_map(|room| room.clients).collect()
    }

    /// Its pools.
    pub fn pools(&self) -> Vec<PoolView> {
        self.rooms().into_iter().flat_map(|room| room.pools).collect()
    }

    /// How many connections to servers are lent.
    pub fn lent(&self) -> usize {
        self.pools().iter().map(|pool| pool.active).sum()
    }

    /// Goes down gently; whether everybody was gone in time.
    pub fn drain(&self, limit: Duration) -> bool {
        self.engine
            .as_ref()
            .is_some_and(|engine| self.control.block_on(engine.drain(limit)))
    }

    fn rooms(&self) -> Vec<RoomView> {
        let engine = self.engine.as_ref();
        engine.map_or_else(Vec::new, |engine| self.control.block_on(engine.rooms()))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.control.block_on(engine.stop());
        }
    }
}
