/// The floors of the frame; `base` carries everything.
const FLOORS: &[(&str, u8)] = &[
    ("base", 1),
    ("broker", 2),
    ("chain", 2),
    ("config", 2),
    ("limit", 2),
    ("net", 2),
    ("pool", 2),
    ("sql", 2),
    ("store", 2),
    ("telemetry", 2),
    ("cluster", 3),
    ("engine", 4),
];

/// Where in the house a crate stands, told by its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// `core/<name>` on its floor.
    Core(String, u8),
    /// `protocols/<name>/wire`
    Wire(String),
    /// `protocols/<name>`
    Protocol(String),
    /// `transforms/<name>`
    Transform,
    /// `discovery/<name>`
    Discovery,
    /// `stores/<name>` or `brokers/<name>`
    Cellar,
    /// `plugins/api`
    PluginApi,
    /// `plugins/<name>`
    Plugin,
    /// `compat/<name>`
    Compat(String),
    /// `admin`
    Admin,
    /// `bin/<name>`
    Bin,
    /// What proves the rest: kit, conformance, bench, xtask, fuzz targets.
    Proof,
    /// A folder that is not on the floor plan.
    Unknown,
}

impl Room {
    /// The room of a folder, relative to the root.
    pub fn of(folder: &str) -> Self {
        let parts: Vec<&str> = folder.split('/').collect();
        match parts.as_slice() {
            ["core", name] => {
                let floor = FLOORS.iter().find(|(floor, _)| floor == name);
                floor.map_or(Self::Unknown, |(_, floor)| Self::Core((*name).to_owned(), *floor))
            }
            ["kit" | "conformance" | "bench" | "xtask", ..] | [.., "fuzz"] => Self::Proof,
            ["protocols", name, "wire"] => Self::Wire((*name).to_owned()),
            ["protocols", name] => Self::Protocol((*name).to_owned()),
            ["transforms", _] => Self::Transform,
            ["discovery", _] => Self::Discovery,
            ["stores" | "brokers", _] => Self::Cellar,
            ["plugins", "api"] => Self::PluginApi,
            ["plugins", _] => Self::Plugin,
            ["compat", name] => Self::Compat((*name).to_owned()),
            ["admin"] => Self::Admin,
            ["bin", _] => Self::Bin,
            _ => Self::Unknown,
        }
    }

    /// Whether a crate in this room may use one in the other.
    pub fn may_use(&self, other: &Self) -> bool {
        let core_up_to = |limit: u8| matches!(other, Self::Core(_, floor) if *floor <= limit);
        match self {
            Self::Unknown => true, // the folder itself is the finding
            Self::Core(_, floor) => core_up_to(floor - 1),
            Self::Wire(_) => core_up_to(1),
            Self::Protocol(name) => core_up_to(4) || *other == Self::Wire(name.clone()),
            Self::Transform | Self::Plugin => core_up_to(2) || *other == Self::PluginApi,
            Self::PluginApi | Self::Cellar => core_up_to(2),
            Self::Discovery => core_up_to(3),
            Self::Admin => core_up_to(4),
            Self::Compat(name) => {
                let wire = if name == "pgbouncer" { "postgres" } else { name };
                core_up_to(4) || *other == Self::Wire(wire.to_owned())
            }
            Self::Bin => !matches!(other, Self::Bin | Self::Proof),
            Self::Proof => *other != Self::Bin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, to: &str, may: bool) {
        assert_eq!(Room::of(from).may_use(&Room::of(to)), may, "{from} -> {to}");
    }

    #[test]
    fn the_frame_looks_down_only() {
        check("core/engine", "core/cluster", true);
        check("core/cluster", "core/limit", true);
        check("core/cluster", "core/engine", false);
        check("core/pool", "core/net", false);
        check("core/base", "core/config", false);
        check("core/engine", "protocols/postgres", false);
    }

    #[test]
    fn rooms_do_not_know_rooms() {
        check("protocols/postgres", "protocols/postgres/wire", true);
        check("protocols/postgres", "core/engine", true);
        check("protocols/postgres", "protocols/mysql/wire", false);
        check("protocols/mysql", "protocols/postgres", false);
        check("protocols/postgres/wire", "core/base", true);
        check("protocols/postgres/wire", "core/net", false);
        check("protocols/postgres", "transforms/count", false);
        check("transforms/count", "protocols/postgres", false);
        check("transforms/count", "transforms/limit", false);
        check("transforms/count", "core/chain", true);
        check("transforms/count", "core/cluster", false);
        check("discovery/dns", "core/cluster", true);
        check("discovery/dns", "core/engine", false);
        check("stores/memory", "core/store", true);
        check("admin", "core/engine", true);
        check("admin", "protocols/postgres", false);
        check("compat/pgbouncer", "protocols/postgres/wire", true);
        check("compat/pgbouncer", "protocols/postgres", false);
    }

    #[test]
    fn the_roof_uses_all_and_nobody_uses_the_roof() {
        check("bin/tidegate", "protocols/postgres", true);
        check("bin/tidegate", "transforms/count", true);
        check("bin/tidegate", "kit", false);
        check("admin", "bin/tidegate", false);
        check("kit", "bin/tidegate", false);
        check("bench", "kit", true);
        check("core/engine", "kit", false);
    }
}
