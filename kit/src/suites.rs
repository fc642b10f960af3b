//! What clients do, as suites that run against any address. Each passes on a direct connection;
//! through the gateway it must pass too. A suite fails the test that calls it.

mod drivers;
mod pgbench;
mod psql;
pub mod redis;
#[cfg(feature = "sqlx")]
mod sqlx;
mod tokio_postgres;

pub use self::drivers::{asyncpg, node_pg, node_postgres, pgjdbc, psycopg};
pub use self::pgbench::pgbench;
pub use self::psql::psql;
#[cfg(feature = "sqlx")]
pub use self::sqlx::sqlx;
pub use self::tokio_postgres::tokio_postgres;
