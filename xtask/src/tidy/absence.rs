use std::collections::BTreeSet;

use super::source::names;
use super::{Finding, Package, Room, Source, Workspace};

/// Names of protocols, as a word of an identifier or a string. HTTP is left out: the admin API,
/// discovery and plugins speak it as a tool.
const PROTOCOLS: &[&str] = &[
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "sqlserver",
    "mssql",
    "mongodb",
    "redis",
    "valkey",
    "cassandra",
    "kafka",
];

/// Crates that open or watch sockets.
const SOCKETS: &[&str] = &[
    "async-std",
    "axum",
    "hickory-resolver",
    "hyper",
    "hyper-util",
    "mio",
    "quinn",
    "redis",
    "reqwest",
    "smol",
    "socket2",
    "tidegate-net",
    "tokio-postgres",
    "tonic",
    "ureq",
];

/// What a wire or the SQL reader must not touch (rule 2): runtime, clock, network.
const IMPURE: &[&str] = &[
    "tokio::",
    "std::net",
    "std::os::unix::net",
    "std::fs",
    "std::thread",
    "Instant",
    "SystemTime",
];

/// Static items that hold state and yet are right, with the reason.
const GLOBALS: &[(&str, &str)] = &[
    // Ports must differ among all tests of a process; nothing constructs them together.
    ("kit/src/port.rs", "NEXT"),
];

/// Rule 2: a wire or `sql` crate has no runtime, no clock and no network.
pub(super) fn wires_are_pure(workspace: &Workspace) -> Vec<Finding> {
    let pure = |package: &&Package| match Room::of(&package.folder) {
        Room::Wire(_) => true,
        Room::Core(name, _) => name == "sql",
        _ => false,
    };
    let mut findings = Vec::new();
    for package in workspace.packages.iter().filter(pure) {
        let mut runtime = package.dependencies.iter().filter(|dependency| {
            let name = dependency.name.as_str();
            !dependency.development && (name.starts_with("tokio") || SOCKETS.contains(&name))
        });
        if let Some(dependency) = runtime.next() {
            let text = format!("a wire is bytes in and bytes out, and depends on {}", dependency.name);
            findings.push(Finding::new(&package.folder, text));
        }
        each_line(package, |source, number, line| {
            if let Some(word) = IMPURE.iter().find(|word| line.contains(*word)) {
                let text = format!("a wire has no `{word}`: take what it gives as an argument");
                findings.push(Finding::new(source.place(number), text));
            }
        });
    }
    findings
}

/// Rule 3: what a transform sends out goes through a port that it was given.
pub(super) fn transforms_have_no_socket(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        if Room::of(&package.folder) != Room::Transform {
            continue;
        }
        let sockets = package.dependencies.iter().filter(|dependency| {
            let opens = |feature: &String| matches!(feature.as_str(), "net" | "full");
            let tokio = dependency.name == "tokio" && dependency.features.iter().any(opens);
            !dependency.development && (tokio || SOCKETS.contains(&dependency.name.as_str()))
        });
        for socket in sockets {
            let text = format!("a transform has no socket, and depends on {}", socket.name);
            findings.push(Finding::new(&package.folder, text));
        }
        each_line(package, |source, number, line| {
            if line.contains("std::net::Tcp") || line.contains("std::net::Udp") || line.contains("os::unix::net") {
                let text = "a transform has no socket: take a Sink, Store or Broker";
                findings.push(Finding::new(source.place(number), text));
            }
        });
    }
    findings
}

/// Rule 4, first half: the engine keeps listeners alive and knows no protocol.
pub(super) fn engine_names_no_protocol(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let engine = workspace
        .packages
        .iter()
        .filter(|package| package.folder == "core/engine");
    for package in engine {
        each_line(package, |source, number, line| {
            if let Some(protocol) = PROTOCOLS.iter().find(|protocol| names(line, protocol)) {
                let text = format!("the engine names a protocol, {protocol}");
                findings.push(Finding::new(source.place(number), text));
            }
        });
    }
    findings
}

/// Rule 4, second half: arms for two protocols stand only in `registry.rs`.
pub(super) fn only_the_registry_matches_protocols(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let packages = workspace.packages.iter();
    let shipped = packages.filter(|package| Room::of(&package.folder) != Room::Proof);
    for source in shipped.flat_map(|package| &package.sources) {
        if source.is_test() || source.path.ends_with("/registry.rs") {
            continue;
        }
        findings.extend(protocol_match(source));
    }
    findings
}

/// Arms belong to one `match` when they have one indentation and nothing closes between them.
fn protocol_match(source: &Source) -> Option<Finding> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut depth = None;
    for (number, line) in source.code() {
        let indent = line.len() - line.trim_start().len();
        if !line.trim().is_empty() && depth.is_some_and(|depth| indent < depth) {
            seen.clear();
            depth = None;
        }
        let Some((pattern, _)) = line.split_once("=>") else {
            continue;
        };
        let named = PROTOCOLS.iter().filter(|protocol| names(pattern, protocol));
        let before = seen.len();
        seen.extend(named);
        if seen.len() > before && depth.is_none() {
            depth = Some(indent);
        }
        if seen.len() >= 2 {
            let text = "a match over protocols belongs in registry.rs";
            return Some(Finding::new(source.place(number), text));
        }
    }
    None
}

/// Rule 5: config, metrics and clock arrive by constructor.
pub(super) fn no_global_state(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in workspace.packages.iter().flat_map(|package| &package.sources) {
        if source.is_test() {
            continue;
        }
        for (number, line) in source.code() {
            let Some(name) = global(line) else { continue };
            if !GLOBALS.contains(&(source.path.as_str(), name)) {
                let text = format!("`{name}` is global state: pass it to who needs it");
                findings.push(Finding::new(source.place(number), text));
            }
        }
    }
    findings
}

/// The name of a static item with state that this line declares.
fn global(line: &str) -> Option<&str> {
    let line = line.trim_start();
    // Put together, so that this file does not find itself.
    if line.starts_with(concat!("thread_", "local!")) {
        return Some(concat!("thread_", "local!"));
    }
    let item = line
        .strip_prefix("pub ")
        .or_else(|| line.split_once(") ").map(|(_, rest)| rest));
    let item = item.filter(|item| item.starts_with("static ")).unwrap_or(line);
    let declared = item.strip_prefix("static ")?;
    let (name, kind) = declared.split_once(':')?;
    if let Some(name) = name.strip_prefix("mut ") {
        return Some(name);
    }
    let stateful = [
        "OnceLock", "LazyLock", "Mutex", "RwLock", "Atomic", "OnceCell", "RefCell", "Lazy<",
    ];
    stateful.iter().any(|word| kind.contains(word)).then_some(name)
}

fn each_line(package: &Package, mut see: impl FnMut(&Source, usize, &str)) {
    for source in package.sources.iter().filter(|source| !source.is_test()) {
        for (number, line) in source.code() {
            see(source, number, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &str = "protocols/postgres/wire";

    #[track_caller]
    fn check(rule: fn(&Workspace) -> Vec<Finding>, folder: &str, text: &str, lines: &[usize]) {
        let findings = rule(&Workspace::with_source(folder, "src/a.rs", text));
        let places: Vec<String> = findings.into_iter().map(|finding| finding.place).collect();
        let want: Vec<String> = lines.iter().map(|n| format!("{folder}/src/a.rs:{n}")).collect();
        assert_eq!(places, want);
    }

    #[test]
    fn a_wire_with_a_clock_or_a_network_is_found() {
        check(wires_are_pure, WIRE, "use std::net::IpAddr;\nuse bytes::Bytes;", &[1]);
        check(wires_are_pure, "core/sql", "let now = Instant::now();", &[1]);
        check(wires_are_pure, "core/net", "use std::net::IpAddr;", &[]);
        check(
            wires_are_pure,
            WIRE,
            "// std::net\n#[cfg(test)]\nmod tests {\nuse std::net::A;\n}",
            &[],
        );
    }

    #[test]
    fn a_wire_with_a_runtime_is_found() {
        let mut workspace = Workspace::made_up(&[(WIRE, &[])]);
        workspace.packages[0].test_with("tokio");
        assert_eq!(wires_are_pure(&workspace), []);
        workspace.packages[0].use_with("tokio-util", &[]);
        assert_eq!(wires_are_pure(&workspace).len(), 1);
    }

    #[test]
    fn a_transform_with_a_socket_is_found() {
        for (name, features, count) in [
            ("tokio", &["sync"][..], 0),
            ("tokio", &["net"], 1),
            ("socket2", &[], 1),
            ("tidegate-net", &[], 1),
            ("bytes", &[], 0),
        ] {
            let mut workspace = Workspace::made_up(&[("transforms/count", &[])]);
            workspace.packages[0].use_with(name, features);
            assert_eq!(transforms_have_no_socket(&workspace).len(), count, "{name}");
        }
        let text = "use std::net::TcpStream;";
        check(transforms_have_no_socket, "transforms/count", text, &[1]);
    }

    #[test]
    fn an_engine_that_names_a_protocol_is_found() {
        let text = "// postgres, for example\nfn redistribute() {}\nif name == \"postgres\" {}";
        check(engine_names_no_protocol, "core/engine", text, &[3]);
        check(engine_names_no_protocol, "core/net", text, &[]);
    }

    #[test]
    fn a_match_over_protocols_is_found() {
        let text = "match name {\n    \"postgres\" => 1,\n    Kind::Redis => 2,\n}";
        let rule = only_the_registry_matches_protocols;
        check(rule, "bin/tidegate", text, &[3]);
        check(rule, "kit", text, &[]);
        let apart = "match a {\n    Postgres => 1,\n}\nmatch b {\n    Redis => 2,\n}";
        check(rule, "admin", apart, &[]);
        let registry = Workspace::with_source("bin/tidegate", "src/registry.rs", text);
        assert_eq!(rule(&registry), []);
    }

    #[test]
    fn global_state_is_found() {
        check(no_global_state, "core/net", "static mut A: u8 = 0;", &[1]);
        check(
            no_global_state,
            "core/net",
            "pub static A: OnceLock<u8> = OnceLock::new();",
            &[1],
        );
        check(
            no_global_state,
            "core/net",
            "pub(crate) static A: AtomicU64 = AtomicU64::new(0);",
            &[1],
        );
        check(
            no_global_state,
            "core/net",
            "static NAMES: &[&str] = &[];\nfn a(b: &'static str) {}",
            &[],
        );
    }
}
