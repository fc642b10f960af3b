use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value as Json;
use tidegate_engine::{Answer, ListenerView, RoomView};

/// What the admin API shows, and the one thing that it can do.
pub trait Source: Send + Sync + 'static {
    /// The listeners as they are now.
    fn listeners(&self) -> BoxFuture<'_, Vec<ListenerView>>;
    /// What every room on every core holds now.
    fn rooms(&self) -> BoxFuture<'_, Vec<RoomView>>;
    /// Why clients should be sent elsewhere; nothing means ready.
    fn unready(&self) -> BoxFuture<'_, Vec<String>>;
    /// A table of the console, by the name that it is shown by there; `Err` holds the names that there are.
    fn console<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<Answer, Vec<&'static str>>>;
    /// The effective configuration, secrets masked.
    fn config(&self) -> BoxFuture<'_, Json>;
    /// What is running.
    fn version(&self) -> Version;
    /// Reads the configuration again: what changed, or every mistake that kept the old one in place.
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Vec<String>>>;
}

/// What is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The release.
    pub version: &'static str,
    /// The commit that it was built from, where the build was told.
    pub commit: Option<&'static str>,
    /// The machine that it was built for.
    pub target: &'static str,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Reloaded {
    /// The paths that are different now.
    pub changed: Vec<String>,
    /// Those of them that take effect at the next start only.
    pub needs_restart: Vec<String>,
}
