use std::io;
use std::time::Duration;

use tidegate_base::Address;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::unix::socket_path;
use crate::{Keepalive, NetError, Stream};

/// Opens a stream to `address` within `limit`; a DNS name's addresses are tried one after the other.
pub async fn dial(address: &Address, limit: Duration, keepalive: &Keepalive) -> Result<Stream, NetError> {
    let opening = async {
        let stream = match address {
            Address::Tcp { host, port } => Stream::tcp(TcpStream::connect((host.as_str(), *port)).await?)?,
            Address::Unix(path) => Stream::unix(UnixStream::connect(socket_path(path)).await?),
        };
        stream.set_keepalive(keepalive)?;
        Ok::<_, io::Error>(stream)
    };
    match timeout(limit, opening).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(NetError::Dial {
            address: address.to_string(),
            source,
        }),
        Err(_) => Err(NetError::TimedOut {
            what: format!("connecting to {address}"),
            limit,
        }),
    }
}
