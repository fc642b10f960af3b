use std::fmt::Write as _;

use tidegate_config::quoted;

use crate::pool::{At, Pool};
use crate::{Imported, Warning};

/// The most connections that a cluster shares.
const MOST_SHARED: u32 = 64;

/// The configuration of all pools.
pub(crate) fn configuration(name: &str, pools: &[Pool]) -> Imported {
    let file = name.rsplit('/').next().unwrap_or(name);
    let file: String = file.chars().filter(|char| !char.is_control()).collect();
    let mut out = Out::default();
    let _ = writeln!(out.yaml, "# Made from {file}, a configuration of twemproxy.");
    out.yaml.push_str("listeners:\n");
    for pool in pools {
        listener(&mut out, pool);
    }
    out.yaml.push_str("clusters:\n");
    for pool in pools {
        cluster(&mut out, pool);
    }
    out.warnings.sort_by_key(|warning| warning.line);
    Imported {
        yaml: out.yaml,
        warnings: out.warnings,
    }
}

#[derive(Default)]
struct Out {
    yaml: String,
    warnings: Vec<Warning>,
}

impl Out {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.yaml, "    {text}");
    }

    /// A comment, and the same as a warning.
    fn warn<T>(&mut self, key: &str, at: &At<T>, value: &str, text: &str) {
        let text = format!("twemproxy's {key}: {value}: {text}");
        self.line(&format!("# {text}"));
        self.warnings.push(Warning { line: at.line, text });
    }
}

fn listener(out: &mut Out, pool: &Pool) {
    let name = quoted(&pool.name);
    let _ = writeln!(out.yaml, "  {name}:");
    out.line("protocol: redis");
    if let Some(permissions) = &pool.permissions {
        let text = "the permissions of the socket are those that the umask of the gateway leaves; set that";
        out.warn("listen", permissions, &permissions.value, text);
    }
    out.line(&format!("address: {}", quoted(&pool.address)));
    if let Some(backlog) = &pool.backlog {
        let text = "the queue of connections that are not accepted yet has a fixed length; nothing to do";
        out.warn("backlog", backlog, &backlog.value.to_string(), text);
    }
    if let Some(count) = &pool.client_connections {
        let text = "twemproxy 0.5 does not hold to it, Tidegate does; see whether it is large enough";
        out.warn("client_connections", count, &count.value.to_string(), text);
    }
    let most = pool.client_connections.as_ref().map_or(0, |count| count.value);
    out.line(&format!("max_clients: {most}"));
    match &pool.redis_auth {
        Some(password) => {
            let password = quoted(password);
            out.line(&format!(
                "login: {{ users: {{ default: {{ password: {password} }} }} }}"
            ));
        }
        None => out.line("login: { method: trust }"),
    }
    out.line("routes:");
    out.line(&format!("  - cluster: {name}"));
}

fn cluster(out: &mut Out, pool: &Pool) {
    let _ = writeln!(out.yaml, "  {}:", quoted(&pool.name));
    out.line("protocol: redis");
    out.line("topology:");
    out.line("  kind: hash");
    out.line(&format!("  hash: {}", pool.hash.as_deref().unwrap_or("fnv1a_64")));
    let distribution = pool.distribution.as_deref().unwrap_or("ketama");
    out.line(&format!("  distribution: {distribution}"));
    if let Some(tag) = &pool.hash_tag {
        out.line(&format!("  hash_tag: {}", quoted(tag)));
    }
    ejection(out, pool);
    if let Some(preconnect) = pool.preconnect.as_ref().filter(|preconnect| preconnect.value) {
        let text = "shared connections are opened when they are first needed; nothing to do";
        out.warn("preconnect", preconnect, "true", text);
    }
    connections(out, pool);
    out.line("endpoints:");
    for server in &pool.servers {
        let address = quoted(&server.address);
        let name = quoted(&server.name);
        out.line(&format!(
            "  - {{ address: {address}, weight: {}, name: {name} }}",
            server.weight
        ));
    }
}

/// What twemproxy does when a server fails.
fn ejection(out: &mut Out, pool: &Pool) {
    let ejects = pool.auto_eject_hosts.as_ref().filter(|ejects| ejects.value);
    let limits = [
        ("server_failure_limit", &pool.server_failure_limit),
        ("server_retry_timeout", &pool.server_retry_timeout_ms),
    ];
    let Some(ejects) = ejects else {
        for (key, limit) in limits {
            if let Some(limit) = limit {
                let text = "it has no effect in twemproxy without auto_eject_hosts, and is left out";
                out.warn(key, limit, &limit.value.to_string(), text);
            }
        }
        return;
    };
    let text = "Tidegate does not give the keys of a server that is down to others, as the data would be split; commands \
                for it fail until it is back. Clients of a cache must take an error for a miss";
    out.warn("auto_eject_hosts", ejects, "true", text);
    if limits.iter().all(|(_, limit)| limit.is_none()) {
        return;
    }
    out.line("health:");
    if let Some(limit) = &pool.server_failure_limit {
        out.line(&format!("  failures: {}", limit.value.max(1)));
    }
    if let Some(wait) = &pool.server_retry_timeout_ms {
        // Without a wait twemproxy tries again with the next command; without an interval Tidegate never would.
        out.line(&format!("  interval: {}ms", wait.value.max(1)));
    }
}

fn connections(out: &mut Out, pool: &Pool) {
    if let Some(timeout) = pool.timeout_ms.filter(|timeout| *timeout > 0) {
        out.line(&format!("connect: {{ timeout: {timeout}ms }}"));
        out.line(&format!("timeouts: {{ reply: {timeout}ms }}"));
    }
    if pool.tcpkeepalive == Some(false) {
        out.line("keepalive: { idle: 0 }");
    }
    if let Some(count) = &pool.server_connections {
        let text =
            format!("it counts for each data thread, of which there is one per core, and is at most {MOST_SHARED}");
        out.warn("server_connections", count, &count.value.to_string(), &text);
        out.line(&format!("pool: {{ shared: {} }}", count.value.min(MOST_SHARED)));
    }
    if let Some(password) = &pool.redis_auth {
        out.line(&format!("credential: {{ password: {} }}", quoted(password)));
    }
}
