//! The documentation is true: every configuration in it is one, and it names what the program shows and says.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, iter};

use common::{Folder, tidegate, with};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use tidegate_config::Document;
use tidegate_kit::{
    Admin, Certificates, Flavour, Gateway, Mode, Port, Postgres, RawClient, Redis, Resp, RespClient, Settings, Tls,
    eventually, message,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
/// Where the pages keep their files.
const ETC: &str = "/etc/tidegate";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages of the guide, and the README.
fn pages() -> Vec<String> {
    let folder = fs::read_dir(root().join("docs/guide")).expect("the guide");
    let names = folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let pages = names.map(|name| format!("docs/guide/{name}"));
    iter::once("README.md".to_owned()).chain(pages).collect()
}

/// The fenced blocks that begin with this word: what follows it, and the text.
fn blocks<'t>(text: &'t str, word: &str) -> Vec<(&'t str, &'t str)> {
    let fenced = text.split("```").skip(1).step_by(2);
    let split = fenced.filter_map(|block| block.split_once('\n'));
    split
        .filter_map(|(info, text)| Some((info.strip_prefix(word)?.trim(), text)))
        .collect()
}

/// What a fragment is merged into.
fn whole() -> Json {
    json!({
        "listeners": { "main": {
            "protocol": "postgres",
            "address": "127.0.0.1:6432",
            "login": { "users": { "app": { "password": "secret" } } },
            "routes": [{ "cluster": "app" }],
        } },
        "clusters": { "app": { "protocol": "postgres", "endpoints": [{ "address": "127.0.0.1:5432" }] } },
    })
}

fn merge(into: &mut Json, part: Json) {
    match (into, part) {
        (Json::Object(into), Json::Object(part)) => {
            for (key, value) in part {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, part) => *into = part,
    }
}

#[test]
fn every_configuration_is_one() {
    let folder = Folder::new();
    let certificates = Certificates::new();
    certificates.server();
    for (name, text) in [("users.txt", "\"app\" \"secret\"\n"), ("app.password", "secret\n")] {
        fs::write(certificates.folder().join(name), text).expect("write");
    }
    let etc = certificates.folder().display().to_string();
    let secrets = ["APP_PASSWORD", "LOGIN_PASSWORD", "TIDEGATE_ADMIN_TOKEN"].map(|name| (name, "x"));
    let mut checked = 0;
    for page in pages() {
        for (mark, text) in blocks(&read(&page), "yaml") {
            let text = text.replace(ETC, &etc);
            let written =
                Document::parse("block.yaml", text.clone()).unwrap_or_else(|e| panic!("{page}: {e:?}\n{text}"));
            let has = |key: &str| written.to_json().get(key).is_some();
            let is_whole = has("listeners") && has("clusters");
            let text = match mark {
                "" => {
                    assert!(is_whole, "{page}: neither whole nor marked as a fragment\n{text}");
                    text
                }
                "fragment" => {
                    assert!(
                        !is_whole,
                        "{page}: a whole configuration is marked as a fragment\n{text}"
                    );
                    let mut json = whole();
                    merge(&mut json, written.to_json());
                    json.to_string()
                }
                other => panic!("{page}: no block is `yaml {other}`"),
            };
            folder.write("block.yaml", &text);
            let ended = with(&folder, &["check", "-c", "block.yaml"], &secrets);
            assert_eq!(ended.stderr, "", "{page}:\n{text}");
            ended.ends(0);
            checked += 1;
        }
    }
    assert!(checked > 15, "only {checked} blocks were found");
}

#[test]
fn the_reference_is_made_from_the_code() {
    let printed = tidegate(&Folder::new(), &["config", "reference"]);
    assert!(
        printed.ends(0).stdout == read("docs/reference.md"),
        "stale: tidegate config reference > docs/reference.md"
    );
}

#[test]
fn every_command_is_in_the_guide() {
    let start = read("docs/guide/start.md");
    for arguments in [&["--help"][..], &["config", "--help"]] {
        let help = tidegate(&Folder::new(), arguments);
        let commands = help.ends(0).stdout.split_once("Commands:\n").expect("commands").1;
        let lines = commands.lines().take_while(|line| !line.is_empty());
        // What stands further in goes on with the line before.
        let firsts = lines.filter(|line| !line.starts_with("   "));
        for name in firsts.filter_map(|line| line.split_whitespace().next()) {
            let path = if arguments.len() > 1 {
                format!("tidegate config {name}")
            } else {
                format!("tidegate {name}")
            };
            assert!(name == "help" || start.contains(&path), "{path} is not in the guide");
        }
    }
}

/// A row of the metrics' tables: type and labels.
type Metric = (String, BTreeSet<String>);

/// The words between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The metrics of the page.
fn told(page: &str) -> BTreeMap<String, Metric> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let metrics = cells.filter(|cells| matches!(cells.get(2), Some(&("counter" | "gauge" | "histogram"))));
    metrics
        .map(|cells| {
            let name = quoted(cells[1]).next().expect("a name");
            (name, (cells[2].to_owned(), quoted(cells[3]).collect()))
        })
        .collect()
}

/// The metrics of a scrape.
fn shown(scrape: &str) -> BTreeMap<String, Metric> {
    let mut found = BTreeMap::new();
    for line in scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a type");
        let samples = scrape.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let rest = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| rest.strip_prefix(end))
                .unwrap_or(rest);
            rest.strip_prefix('{')
        });
        let pairs = samples.flat_map(|rest| rest.split("\",").map(str::to_owned).collect::<Vec<_>>());
        let labels = pairs.filter_map(|pair| Some(pair.split_once("=\"")?.0.to_owned()));
        let labels = labels.filter(|label| label != "le").collect();
        found.insert(name.to_owned(), (kind.to_owned(), labels));
    }
    found
}

/// A gateway that has done something of everything, as a scrape shows it.
fn scrape() -> String {
    let postgres = Postgres::start();
    let certificates = Certificates::new();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .tls(&certificates.server(), &certificates.ca())
        .pool("inspect: 1KiB")
        .listener("chain: [ { count: {} } ]");
    let (redis, port) = (Redis::start(Flavour::Redis), Port::reserve());
    let yaml = with_redis(&settings.yaml(), &redis, &port);
    let yaml = format!("node: 1\npeers: {{ \"2\": {{ address: \"127.0.0.1:1\" }} }}\n{yaml}");
    let gateway = Gateway::builder(TIDEGATE, &yaml).listens(settings.address());
    let _gateway = gateway
        .listens(settings.admin_address())
        .listens(port.address())
        .start();
    let plain = settings.target().with_tls(Tls::Off);
    let mut client = RawClient::connect(&plain);
    assert_eq!(client.query("SELECT 1").value(), "1");
    assert_eq!(client.query("SELECT 1/0").sqlstate(), "22012");
    let wrong = plain.clone().with_user("app", "wrong");
    assert_eq!(RawClient::try_connect(&wrong).expect_err("wrong").sqlstate(), "28P01");
    let mut broken = RawClient::connect(&plain);
    assert_eq!(broken.query("BEGIN; SELECT 1").status(), Some('T'));
    // With a chain, a length that cannot be is refused once `inspect` is full.
    broken.send(&[b'Q', 0, 0, 0, 1].repeat(1024));
    while broken.try_frame().is_ok() {}
    let mut cancel = RawClient::open(settings.address());
    cancel.send(&message::cancel((2 << 25) | 1, &[0; 4]));
    assert!(
        cancel.closed_within(Duration::from_secs(30)),
        "a peer that is not there"
    );
    let admin = Admin::of(&settings);
    something_of_redis(&redis, &port, &admin);
    for path in quoted(&read("docs/guide/observing.md")).filter_map(|word| word.strip_prefix("GET ").map(str::to_owned))
    {
        assert_eq!(admin.status(&path), 200, "{path}");
    }
    eventually("the error is counted", || {
        admin.metric("tidegate_session_errors_total", &[]) > 0.0
    });
    admin.body("/metrics")
}

/// The configuration, with a Redis beside the PostgreSQL.
fn with_redis(yaml: &str, redis: &Redis, port: &Port) -> String {
    let listener = format!(
        "listeners:\n  cache: {{ protocol: redis, address: \"{}\", login: {{ method: trust }}, routes: [ {{ cluster: cache }} ] }}",
        port.address()
    );
    let cluster = format!(
        "clusters:\n  cache: {{ protocol: redis, endpoints: [ {{ address: \"{}\" }} ], pool: {{ size: 1 }} }}",
        redis.address()
    );
    yaml.replacen("listeners:", &listener, 1)
        .replacen("clusters:", &cluster, 1)
}

/// An error, a wait, a message, a loss and a command that is sent again.
fn something_of_redis(redis: &Redis, port: &Port, admin: &Admin) {
    let mut client = RespClient::connect(port.address());
    assert!(matches!(client.ask(&["EXEC"]), Resp::Error(_)));
    assert_eq!(client.ask(&["SUBSCRIBE", "news"]).items().len(), 3);
    assert_eq!(client.ask(&["RESET"]).text(), "RESET");
    assert_eq!(client.ask(&["GET", "key"]), Resp::Null);
    redis.pause();
    let clients = |state: &str| admin.metric("tidegate_cluster_clients", &["cluster=\"cache\"", state]);
    eventually("the client rests", || clients("state=\"idle\"") > 0.0);
    client.command(&["GET", "key"]);
    eventually("the command is under way", || clients("state=\"active\"") > 0.0);
    // It must not wake up and answer first.
    let pid = redis.process().expect("it runs").pid();
    let pid = Pid::from_raw(i32::try_from(pid).expect("a number of a process")).expect("not 0");
    kill_process(pid, Signal::KILL).expect("it is killed");
    eventually("it is sent again", || {
        admin.metric("tidegate_redis_resent_total", &["reason=\"lost\""]) > 0.0
    });
}

#[test]
fn every_metric_is_in_the_guide() {
    let page = read("docs/guide/observing.md");
    let told = told(&page);
    let shown = shown(&scrape());
    for (name, metric) in &shown {
        assert_eq!(told.get(name), Some(metric), "{name} in docs/guide/observing.md");
    }
    let missed: Vec<_> = told.keys().filter(|name| !shown.contains_key(*name)).collect();
    assert!(missed.is_empty(), "in the guide, and not shown: {missed:?}");
    for name in named_in_code() {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in the guide");
    }
}

/// Names of metrics in the code: texts that are one, but for the role that health checks name.
fn named_in_code() -> BTreeSet<String> {
    let crates = ["admin", "bin", "core", "discovery", "protocols", "transforms"];
    let text: String = crates.iter().map(|folder| code(&root().join(folder))).collect();
    let is_metric = |word: &&str| {
        let is_name = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_name && (word.starts_with("tidegate_") || word.starts_with("process_")) && *word != "tidegate_health"
    };
    let names: BTreeSet<_> = text.split('"').filter(is_metric).map(str::to_owned).collect();
    assert!(names.len() > 30, "{names:?}");
    names
}

/// What a folder's sources hold in front of their tests.
fn code(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") {
            text += &code(&path);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let all = fs::read_to_string(&path).expect("UTF-8");
            text += all.split("#[cfg(test)]").next().unwrap_or_default();
        }
    }
    text
}

#[test]
fn every_code_of_the_gateways_own_is_in_the_guide() {
    let said = code(&root().join("protocols/postgres/src"));
    let constants = read("protocols/postgres/wire/src/sqlstate.rs");
    let (names, reasons) = constants.split_once("pub const fn of_reason").expect("reasons");
    let reasons = reasons.split_once("}\n").expect("an end").0;
    let of_names = names.lines().filter_map(|line| {
        let (name, code) = line.strip_prefix("pub const ")?.split_once(": &str = \"")?;
        let is_said = reasons.contains(name) || said.contains(&format!("with_code(sqlstate::{name})"));
        is_said.then(|| code.trim_end_matches("\";"))
    });
    let is_code = |word: &&str| {
        let is_upper = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        word.len() == 5 && word.starts_with(|first: char| first.is_ascii_digit()) && word.bytes().all(is_upper)
    };
    let codes: BTreeSet<&str> = of_names.chain(said.split('"').filter(is_code)).collect();
    assert!(codes.len() > 12, "{codes:?}");
    let page = read("docs/guide/errors.md");
    for code in codes {
        assert!(page.contains(code), "{code} is not in docs/guide/errors.md");
    }
}
