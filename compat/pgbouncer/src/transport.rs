use tidegate_config::quoted;

use crate::out::Out;
use crate::place::{Notes, Place};
use crate::settings::Settings;

/// TLS towards clients.
pub(crate) struct Clients {
    /// Whether certificates are asked for.
    pub(crate) asks_certificate: bool,
    lines: Vec<(String, Option<Place>)>,
}

/// Reads `client_tls_…`; what PgBouncer would not start with is a mistake (`sbuf.c`, `sbuf_tls_setup`).
pub(crate) fn of_clients(main: &Settings, notes: &mut Notes) -> Clients {
    let wanted = main.word("client_tls_sslmode");
    let mode = main.place("client_tls_sslmode").cloned();
    let has_authorities = is_set(main, "client_tls_ca_file");
    if let Some(place) = main.place("auth_type").filter(|_| main.word("auth_type") == "cert")
        && (wanted != "verify-full" || !has_authorities)
    {
        notes.wrong(
            place,
            "`auth_type = cert` needs `client_tls_sslmode = verify-full` and `client_tls_ca_file`",
        );
    }
    let mut clients = Clients {
        asks_certificate: false,
        lines: Vec::new(),
    };
    let Some(place) = mode.filter(|_| wanted != "disable") else {
        return clients;
    };
    if !is_set(main, "client_tls_key_file") || !is_set(main, "client_tls_cert_file") {
        notes.wrong(
            &place,
            "`client_tls_key_file` and `client_tls_cert_file` are needed for that",
        );
    }
    let is_checked = wanted.starts_with("verify");
    if is_checked && !has_authorities {
        notes.wrong(&place, "`client_tls_ca_file` is needed for that");
    }
    let mode = match wanted {
        "allow" | "prefer" => "allow",
        _ => "require",
    };
    clients.lines.push((format!("mode: {mode}"), Some(place.clone())));
    let mut files = vec![("certificate", "client_tls_cert_file"), ("key", "client_tls_key_file")];
    if has_authorities {
        clients.asks_certificate = true;
        files.push(("client_ca", "client_tls_ca_file"));
        let asked = if is_checked { "require" } else { "optional" };
        clients.lines.push((format!("client_auth: {asked}"), Some(place)));
    }
    clients.lines.extend(of_files(main, &files));
    clients.lines.extend(min_version(main, "client_tls_protocols", notes));
    clients
}

impl Clients {
    /// Writes it.
    pub(crate) fn write(&self, out: &mut Out) {
        if let Some((_, place)) = self.lines.first() {
            out.from(2, "tls:", place.as_ref());
        }
        for (line, place) in &self.lines {
            out.from(3, line, place.as_ref());
        }
    }
}

/// Writes TLS towards servers.
pub(crate) fn to_servers(main: &Settings, out: &mut Out, notes: &mut Notes) {
    let mode = match main.word("server_tls_sslmode") {
        "allow" => "prefer",
        mode => mode,
    };
    let mut lines = Vec::new();
    if mode != "disable" {
        let mut files = vec![("certificate", "server_tls_cert_file"), ("key", "server_tls_key_file")];
        if mode.starts_with("verify") {
            files.push(("ca", "server_tls_ca_file"));
            if let Some(place) = main
                .place("server_tls_sslmode")
                .filter(|_| !is_set(main, "server_tls_ca_file"))
            {
                notes.wrong(
                    place,
                    "`server_tls_ca_file` is needed for that: name the file of the system's authorities",
                );
            }
        }
        lines.extend(of_files(main, &files));
        lines.extend(min_version(main, "server_tls_protocols", notes));
    }
    let place = main.place("server_tls_sslmode");
    if place.is_none() && lines.is_empty() {
        return;
    }
    out.from(2, "tls:", place);
    out.from(3, format!("mode: {mode}"), place);
    for (line, place) in lines {
        out.from(3, line, place.as_ref());
    }
}

/// Writes how a listener's socket listens.
pub(crate) fn socket(main: &Settings, is_local: bool, address: &str, out: &mut Out) {
    let backlog = main.number("listen_backlog").clamp(1, i64::from(u16::MAX));
    if let Some(place) = main.place("listen_backlog") {
        out.from(2, format!("backlog: {backlog}"), Some(place));
    }
    if !is_local {
        if main.number("so_reuseport") != 0 {
            out.from(2, "reuse_port: true", main.place("so_reuseport"));
        }
        return;
    }
    if address.starts_with("unix:@") {
        return;
    }
    let mode = main.number("unix_socket_mode") & 0o777;
    let mut line = format!("mode: \"{mode:04o}\"");
    if let Some(group) = main.some_text("unix_socket_group") {
        line = format!("{line}, group: {}", quoted(&group));
    }
    let place = main.place("unix_socket_mode").or(main.place("unix_socket_group"));
    out.from(2, format!("unix: {{ {line} }}"), place);
}

/// Writes keep-alive where it is not Tidegate's own.
pub(crate) fn keepalive(main: &Settings, out: &mut Out) {
    let keys = [
        ("idle", "tcp_keepidle", "s"),
        ("interval", "tcp_keepintvl", "s"),
        ("count", "tcp_keepcnt", ""),
        ("user_timeout", "tcp_user_timeout", "ms"),
    ];
    let is_off = main.number("tcp_keepalive") == 0;
    let mut parts = Vec::new();
    if is_off {
        parts.push("idle: \"0\"".to_owned());
    }
    let counts = |key: &str| main.number(key) > 0 && !(is_off && key.starts_with("tcp_keep"));
    let set = keys.iter().filter(|(_, key, _)| counts(key));
    parts.extend(set.map(|(name, key, unit)| format!("{name}: {}{unit}", main.number(key))));
    if !parts.is_empty() {
        let mut places = keys.iter().map(|(_, key, _)| *key).chain(["tcp_keepalive"]);
        let place = places.find_map(|key| main.place(key));
        out.from(2, format!("keepalive: {{ {} }}", parts.join(", ")), place);
    }
}

fn is_set(main: &Settings, key: &str) -> bool {
    main.some_text(key).is_some()
}

fn of_files(main: &Settings, files: &[(&str, &str)]) -> Vec<(String, Option<Place>)> {
    let line = |(name, key): &(&str, &str)| {
        let file = main.some_text(key)?;
        Some((format!("{name}: {}", quoted(&file)), main.place(key).cloned()))
    };
    files.iter().filter_map(line).collect()
}

/// A list of protocols (libusual's `tls_config_parse_protocols`) as the lowest one.
fn min_version(main: &Settings, key: &str, notes: &mut Notes) -> Option<(String, Option<Place>)> {
    let place = main.place(key)?;
    let (mut new, mut newest, mut old) = (false, false, false);
    for word in main.text(key).split([',', ':']) {
        let word = word.trim().to_ascii_lowercase();
        let (is_in, word) = match word.strip_prefix('!') {
            Some(word) => (false, word),
            None => (true, word.as_str()),
        };
        match word {
            "all" | "legacy" | "tlsv1" => (old, new, newest) = (is_in, is_in, is_in),
            "secure" | "default" => (new, newest) = (is_in, is_in),
            "tlsv1.0" | "tlsv1.1" => old = is_in,
            "tlsv1.2" => new = is_in,
            "tlsv1.3" => newest = is_in,
            _ => notes.wrong(
                place,
                format!("{key}: `{word}`: one of tlsv1.2, tlsv1.3, secure and all is expected"),
            ),
        }
    }
    if old {
        notes.warn(place, format!("{key}: TLS 1.0 and 1.1 are not spoken"));
    }
    match (new, newest) {
        (true, true) => {}
        (true, false) => notes.warn(place, format!("{key}: TLS 1.3 is spoken as well")),
        (false, true) => return Some(("min_version: \"1.3\"".to_owned(), Some(place.clone()))),
        (false, false) => notes.wrong(
            place,
            format!("{key}: no version is left that is spoken here: 1.2 and 1.3"),
        ),
    }
    None
}
