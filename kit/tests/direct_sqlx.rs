//! The sqlx suite against PostgreSQL itself.
