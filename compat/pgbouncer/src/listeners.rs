use std::collections::BTreeMap;
use std::fmt::Write as _;

use tidegate_config::quoted;

use crate::access::{Access, Door};
use crate::address::unix;
use crate::clusters::Clusters;
use crate::files::Files;
use crate::hba::{self, Rule};
use crate::ident::{self, Mapping};
use crate::login::Login;
use crate::out::{Out, key};
use crate::place::{Notes, Place};
use crate::read::Ini;
use crate::routes::routes;
use crate::settings::Settings;
use crate::transport;
use crate::value::period;

/// Who may do everything at the console, and who may look.
const CONSOLE_USERS: [&str; 2] = ["admin_users", "stats_users"];

/// The longest packet that PgBouncer can allow: more than the protocol does.
const MOST_PACKET: i64 = 2_147_483_647;

/// A place where clients come in.
struct Listener {
    name: String,
    address: String,
    is_local: bool,
    place: Option<Place>,
}

/// Writes all listeners.
pub(crate) fn write(
    ini: &Ini,
    clusters: &Clusters<'_>,
    login: &Login,
    files: &mut Files<'_>,
    out: &mut Out,
    notes: &mut Notes,
) {
    let listeners = all(&ini.main, notes);
    let rules = Rules::read(&ini.main, files, notes);
    let tls = transport::of_clients(&ini.main, notes);
    let routes = routes(ini, clusters);
    out.line(0, "listeners:");
    for listener in &listeners {
        let door = Door {
            is_local: listener.is_local,
            asks_certificate: tls.asks_certificate && !listener.is_local,
        };
        let access = match &rules {
            Some(rules) => Access::of_rules(&rules.hba, &rules.maps, door, notes),
            None => of_auth_type(&ini.main, door),
        };
        header(&ini.main, listener, &tls, out);
        console(&ini.main, listener, out);
        login.write(&access, out);
        out.line(2, "routes:");
        for (route, place) in &routes {
            out.also(3, route, Some(place));
        }
    }
    if !notes.mistakes.is_empty() {
        return;
    }
    if routes.is_empty() {
        return notes.wrong(&login.top, "there are no databases: `[databases]` has no entry");
    }
    if listeners.is_empty() {
        let place = ["listen_addr", "unix_socket_dir"]
            .iter()
            .find_map(|key| ini.main.place(key));
        let message = "nobody can come in anywhere: see `listen_addr` and `unix_socket_dir`";
        notes.wrong(place.unwrap_or(&login.top), message);
    }
}

/// Where PgBouncer listens.
fn all(main: &Settings, notes: &mut Notes) -> Vec<Listener> {
    let port = main.number("listen_port");
    if let Some(place) = main.place("listen_port").filter(|_| !(1..=65535).contains(&port)) {
        notes.wrong(place, format!("listen_port: `{port}` is no port"));
    }
    let text = main.text("listen_addr");
    let addresses: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty())
        .collect();
    let mut listeners = Vec::new();
    for (index, host) in addresses.iter().enumerate() {
        let address = match *host {
            "*" => format!("[::]:{port}"),
            host if host.contains(':') => format!("[{host}]:{port}"),
            host => format!("{host}:{port}"),
        };
        let name = if index == 0 {
            "tcp".to_owned()
        } else {
            format!("tcp_{}", index + 1)
        };
        listeners.push(Listener {
            name,
            address,
            is_local: false,
            place: main.place("listen_addr").cloned(),
        });
    }
    if let Some(folder) = main.some_text("unix_socket_dir") {
        let place = main.place("unix_socket_dir").cloned();
        if let (false, Some(place)) = (folder.starts_with(['/', '@']), &place) {
            notes.wrong(
                place,
                format!("unix_socket_dir: `{folder}`: an absolute path is expected"),
            );
        } else {
            listeners.push(Listener {
                name: "unix".to_owned(),
                address: unix(&folder, port),
                is_local: true,
                place,
            });
        }
    }
    listeners
}

/// The rules of `auth_type = hba`.
struct Rules {
    hba: Vec<Rule>,
    maps: BTreeMap<String, Vec<Mapping>>,
}

impl Rules {
    fn read(main: &Settings, files: &mut Files<'_>, notes: &mut Notes) -> Option<Self> {
        if main.word("auth_type") != "hba" {
            return None;
        }
        let place = main.place("auth_hba_file").or_else(|| main.place("auth_type"))?;
        let mut rules = Self {
            hba: Vec::new(),
            maps: BTreeMap::new(),
        };
        let Some(name) = main.some_text("auth_hba_file") else {
            notes.wrong(place, "`auth_type = hba` needs `auth_hba_file`");
            return Some(rules);
        };
        let hba = files.named(&name, place, notes);
        if let (Some(name), Some(place)) = (main.some_text("auth_ident_file"), main.place("auth_ident_file"))
            && let Some((file, text)) = files.named(&name, place, notes)
        {
            rules.maps = ident::read(&file, &text, notes);
        }
        if let Some((file, text)) = hba {
            rules.hba = hba::read(&file, &text, &rules.maps, files, notes);
        }
        Some(rules)
    }
}

/// What `auth_type` asks of everybody.
fn of_auth_type(main: &Settings, door: Door) -> Access {
    match main.word("auth_type") {
        // Who it is does not count: every database has a user of its own.
        "any" => Access::of_method("trust", false),
        "trust" => Access::of_method("trust", true),
        "cert" if door.asks_certificate => Access::of_method("cert", true),
        "cert" => Access::none(),
        "plain" => Access::of_method("password", false),
        "scram-sha-256" => Access::of_method("scram-sha-256", false),
        _ => Access::of_method("md5", false),
    }
}

fn header(main: &Settings, listener: &Listener, tls: &transport::Clients, out: &mut Out) {
    out.from(1, format!("{}:", listener.name), listener.place.as_ref());
    out.line(2, "protocol: postgres");
    out.from(
        2,
        format!("address: {}", quoted(&listener.address)),
        listener.place.as_ref(),
    );
    transport::socket(main, listener.is_local, &listener.address, out);
    // All of them together have a limit.
    out.line(2, "max_clients: 0");
    let limit = match main.time("client_login_timeout") {
        0 => "1h".to_owned(),
        micros => period(micros),
    };
    out.from(
        2,
        format!("pre_auth_timeout: {limit}"),
        main.place("client_login_timeout"),
    );
    if !listener.is_local {
        transport::keepalive(main, out);
        tls.write(out);
    }
    manners(main, out);
}

/// How clients are treated once they are let in.
fn manners(main: &Settings, out: &mut Out) {
    if main.number("disable_pqexec") != 0 {
        out.from(2, "simple_queries: false", main.place("disable_pqexec"));
    }
    let most = main.number("max_packet_size");
    if (1..MOST_PACKET).contains(&most) {
        out.from(2, format!("max_message_size: {most}B"), main.place("max_packet_size"));
    }
    if main.number("application_name_add_host") != 0 {
        let place = main.place("application_name_add_host");
        out.from(2, "application_name_add_host: true", place);
    }
    if let Some(text) = main.some_text("login_notify_message") {
        let place = main.place("login_notify_message");
        out.from(2, format!("login_notice: {}", quoted(&text)), place);
    }
}

/// Who may enter the console. On a Unix socket the gateway's own user of the system always may.
fn console(main: &Settings, listener: &Listener, out: &mut Out) {
    let mut line = "console: { databases: [pgbouncer]".to_owned();
    let mut has_users = false;
    for users in CONSOLE_USERS {
        let text = main.text(users);
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(quoted).collect();
        if !names.is_empty() {
            has_users = true;
            let _ = write!(line, ", {users}: [{}]", names.join(", "));
        }
    }
    if has_users || listener.is_local {
        let place = CONSOLE_USERS.iter().find_map(|users| main.place(users));
        out.from(2, line + " }", place);
    }
}

/// A key of YAML with something behind it.
pub(crate) fn named(name: &str, rest: &str) -> String {
    format!("{}: {rest}", key(name))
}
