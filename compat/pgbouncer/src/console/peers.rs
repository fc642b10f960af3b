use tidegate_engine::Value;

use super::PeerOf;

/// A row of `SHOW PEERS`.
pub(super) fn row(peer: &PeerOf) -> Vec<Value> {
    vec![
        u64::from(peer.number).into(),
        peer.host.as_str().into(),
        peer.port.map_or(Value::Null, |port| u64::from(port).into()),
        peer.most.into(),
    ]
}

/// A row of `SHOW PEER_POOLS`: a cancel that is under way has a client and a connection to the peer.
pub(super) fn pool(peer: &PeerOf) -> Vec<Value> {
    vec![
        u64::from(peer.number).into(),
        peer.active.into(),
        peer.waiting.into(),
        peer.active.into(),
        0_usize.into(),
    ]
}
