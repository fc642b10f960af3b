//! The SQLSTATEs that the gateway says or looks for (PostgreSQL documentation, appendix A).

use tidegate_base::{Reason, Refusal};

/// `successful_completion`, as notices have it
pub const SUCCESSFUL_COMPLETION: &str = "00000";
/// `protocol_violation`
pub const PROTOCOL_VIOLATION: &str = "08P01";
/// `feature_not_supported`
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
/// `invalid_parameter_value`
pub const INVALID_PARAMETER_VALUE: &str = "22023";
/// `in_failed_sql_transaction`
pub const IN_FAILED_TRANSACTION: &str = "25P02";
/// `invalid_sql_statement_name`
pub const INVALID_STATEMENT_NAME: &str = "26000";
/// `invalid_authorization_specification`
pub const INVALID_AUTHORIZATION: &str = "28000";
/// `invalid_password`
pub const INVALID_PASSWORD: &str = "28P01";
/// `invalid_cursor_name`
pub const INVALID_CURSOR_NAME: &str = "34000";
/// `invalid_catalog_name`: no such database
pub const INVALID_CATALOG_NAME: &str = "3D000";
/// `insufficient_privilege`
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// `undefined_object`
pub const UNDEFINED_OBJECT: &str = "42704";
/// `duplicate_prepared_statement`
pub const DUPLICATE_PREPARED_STATEMENT: &str = "42P05";
/// `too_many_connections`
pub const TOO_MANY_CONNECTIONS: &str = "53300";
/// `program_limit_exceeded`
pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
/// `query_canceled`
pub const QUERY_CANCELED: &str = "57014";
/// `admin_shutdown`
pub const ADMIN_SHUTDOWN: &str = "57P01";
/// `cannot_connect_now`
pub const CANNOT_CONNECT_NOW: &str = "57P03";
/// `connection_failure`: the server went away in mid-request
pub const CONNECTION_FAILURE: &str = "08006";
/// `internal_error`
pub const INTERNAL_ERROR: &str = "XX000";

/// The SQLSTATE of a reason.
pub const fn of_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Denied => INSUFFICIENT_PRIVILEGE,
        Reason::Unauthenticated => INVALID_PASSWORD,
        Reason::Overloaded => TOO_MANY_CONNECTIONS,
        Reason::Unavailable => CANNOT_CONNECT_NOW,
        Reason::TimedOut => QUERY_CANCELED,
        Reason::ShuttingDown => ADMIN_SHUTDOWN,
        Reason::Invalid => PROTOCOL_VIOLATION,
    }
}

/// The SQLSTATE of a refusal: its own code where it has one, else its reason's.
pub fn of(refusal: &Refusal) -> &str {
    refusal.code.as_deref().unwrap_or(of_reason(refusal.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_code_first() {
        let refusal = Refusal::new(Reason::Overloaded, "too many clients");
        assert_eq!(of(&refusal), "53300");
        assert_eq!(of(&refusal.with_code("53400")), "53400");
    }
}
