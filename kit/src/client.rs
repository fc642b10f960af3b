use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use tokio::task::JoinHandle;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::Target;

/// A tokio-postgres client whose connection task lives as long as it does. It has no TLS.
#[derive(Debug)]
pub struct Client {
    client: tokio_postgres::Client,
    connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

/// Runs a future on a runtime of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .unwrap_or_else(|e| panic!("no tokio runtime: {e}"))
        .block_on(future)
}

impl Client {
    /// Connects, or fails the test.
    #[track_caller]
    pub fn connect(target: &Target) -> impl Future<Output = Self> {
        let target = target.clone();
        async move {
            let connected = Self::try_connect(&target).await;
            connected.unwrap_or_else(|e| panic!("cannot connect to {}: {}", target.uri(), describe(&e)))
        }
    }

    /// Connects.
    pub async fn try_connect(target: &Target) -> Result<Self, tokio_postgres::Error> {
        Self::with_config(&Self::config(target)).await
    }

    /// Connects with a configuration of one's own.
    pub async fn with_config(config: &tokio_postgres::Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        Ok(Self {
            client,
            connection: tokio::spawn(connection),
        })
    }

    /// The driver's configuration for a target.
    pub fn config(target: &Target) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        if target.host.starts_with('/') {
            config.host_path(PathBuf::from(&target.host));
        } else {
            config.host(&target.host);
        }
        config
            .port(target.port)
            .user(&target.user)
            .password(&target.password)
            .dbname(&target.database);
        config
    }

    /// The first column of the first row, as text.
    #[track_caller]
    pub fn value(&self, sql: &str) -> impl Future<Output = String> {
        let sql = sql.to_owned();
        async move {
            let rows = self.client.simple_query(&sql).await;
            let rows = rows.unwrap_or_else(|e| panic!("`{sql}` failed: {}", describe(&e)));
            let value = rows.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("").to_owned()),
                _ => None,
            });
            value.unwrap_or_else(|| panic!("`{sql}` gave no row"))
        }
    }

    /// The process id of the server that answers.
    pub async fn backend_pid(&self) -> i32 {
        let pid = self.value("SELECT pg_backend_pid()").await;
        pid.parse().unwrap_or_else(|_| panic!("{pid} is no process id"))
    }

    /// Ends the connection and waits until it is closed.
    pub async fn close(self) -> Result<(), tokio_postgres::Error> {
        let Self { client, connection } = self;
        drop(client);
        connection.await.unwrap_or(Ok(()))
    }
}

impl Deref for Client {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.client
    }
}

/// The driver's own text is only "db error".
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(
        || format!("{error:?}"),
        |error| format!("{}: {}", error.code().code(), error.message()),
    )
}
