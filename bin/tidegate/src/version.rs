use tidegate_admin::Version;

/// What is running. The build sets `TIDEGATE_COMMIT`; nothing here needs git.
pub(crate) const VERSION: Version = Version {
    version: env!("CARGO_PKG_VERSION"),
    commit: option_env!("TIDEGATE_COMMIT"),
    target: TARGET,
};

const TARGET: &str = match (cfg!(target_arch = "x86_64"), cfg!(target_arch = "aarch64")) {
    (true, _) => "x86_64-linux",
    (_, true) => "aarch64-linux",
    _ => std::env::consts::ARCH,
};

/// `tidegate 0.1.0 (3f2a1bc, x86_64-linux)`
pub(crate) fn line() -> String {
    let commit = VERSION.commit.map(|commit| format!("{commit}, ")).unwrap_or_default();
    format!("tidegate {} ({commit}{})", VERSION.version, VERSION.target)
}
