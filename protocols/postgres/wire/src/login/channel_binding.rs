/// The mechanism without channel binding.
pub const PLAIN: &str = "SCRAM-SHA-256";
/// The mechanism bound to the TLS channel by the server certificate's hash (RFC 5929, `tls-server-end-point`).
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Whether a login to a server is bound to its TLS channel, as libpq's `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// When both sides can.
    #[default]
    Prefer,
    /// Or not at all.
    Require,
}
