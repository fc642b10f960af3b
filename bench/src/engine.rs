use anyhow::Result;
use tidegate_kit::{Gateway, Port, Proc};

use crate::daemon::Daemon;

/// What runs in between; it ends on drop.
#[derive(Debug)]
pub(crate) enum Engine {
    Gateway(Gateway),
    Daemon(Daemon),
    None,
}

impl Engine {
    /// The proxy's process.
    pub(crate) fn process(&self) -> Option<&Proc> {
        match self {
            Self::Gateway(gateway) => Some(gateway.process()),
            Self::Daemon(daemon) => Some(daemon.process()),
            Self::None => None,
        }
    }

    /// A Tidegate with this configuration.
    pub(crate) fn tidegate(program: &std::path::Path, yaml: &str, port: &Port) -> Result<(String, Self)> {
        let gateway = Gateway::builder(program, yaml).listens(port.address()).start();
        Ok((crate::program::version(program, "version")?, Self::Gateway(gateway)))
    }
}
