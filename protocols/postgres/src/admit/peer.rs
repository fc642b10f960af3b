use nix::unistd::{Uid, User};
use tidegate_net::Peer;

/// The user of the system at the other end of a Unix socket; none where there is no telling.
pub(super) async fn system_user(peer: Peer) -> Option<String> {
    let Peer::Unix { uid: Some(uid) } = peer else {
        return None;
    };
    // The system's database of users may be a directory elsewhere: that takes its time.
    let found = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid))).await;
    match found {
        Ok(Ok(user)) => user.map(|user| user.name),
        Ok(Err(error)) => {
            tracing::warn!(uid, %error, "cannot look the system's user up");
            None
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_knows_root() {
        assert_eq!(system_user(Peer::Unix { uid: Some(0) }).await.as_deref(), Some("root"));
        assert_eq!(system_user(Peer::Unix { uid: None }).await, None);
        let tcp = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(system_user(Peer::Tcp(tcp)).await, None);
    }
}
