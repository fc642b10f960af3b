//! Messages a server sends (55.7, marked B): views over a body, and builders that append whole messages.

mod build;
mod error_fields;
mod view;

pub use build::{
    Shape, authentication_cleartext, authentication_md5, authentication_ok, authentication_sasl,
    authentication_sasl_continue, authentication_sasl_final, backend_key_data, bind_complete, close_complete,
    command_complete, copy_in_response, data_row, empty_query, error, field, negotiate_protocol_version, no_data,
    notice, notification, parameter_description, parameter_status, parse_complete, portal_suspended, ready, refusal,
    row_description,
};
pub use error_fields::{ErrorFields, Severity};
pub use view::{
    Authentication, BackendKey, Column, Negotiation, Notification, ParameterStatus, Row, Status, read_columns,
    read_ready, read_row, read_tag,
};
