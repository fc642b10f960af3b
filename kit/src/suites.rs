//! What clients do, as suites that run against any address. Each passes on a direct connection;
//! through the gateway it must pass too.
