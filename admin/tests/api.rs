//! The admin API over a real loopback socket, in front of a gateway that is made up.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use tidegate_admin::{Admin, AdminConfig, AdminError, Reloaded, Source, Version};
use tidegate_base::Secret;
use tidegate_engine::{ClientView, Column, ColumnKind, ListenerView, PoolView, RoomView, ServerView, Value};
use tidegate_telemetry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TOKEN: &str = "open sesame";

/// A gateway with one listener, two pools and many clients on two cores.
struct MadeUp {
    unready: Vec<String>,
    clients: u64,
    users: usize,
    reload_takes: Duration,
    reloads: Arc<AtomicUsize>,
}

impl Default for MadeUp {
    fn default() -> Self {
        Self {
            unready: Vec::new(),
            clients: 25,
            users: 1,
            reload_takes: Duration::ZERO,
            reloads: Arc::default(),
        }
    }
}

impl MadeUp {
    fn room(&self, core: usize) -> RoomView {
        let ids = (0..self.clients).filter(|id| usize::try_from(id % 2).unwrap() == core);
        RoomView {
            clients: ids.map(|id| client(id, core)).collect(),
            pools: (0..self.users).map(|user| pool(&format!("user{user}"), core)).collect(),
            servers: vec![server(core)],
        }
    }
}

fn client(id: u64, core: usize) -> ClientView {
    ClientView {
        id,
        protocol: "made_up",
        listener: "main".to_owned(),
        peer: "10.0.0.1:999".to_owned(),
        user: "app".to_owned(),
        space: "orders".to_owned(),
        application_name: "a \"quoted\" name".to_owned(),
        cluster: "eu".to_owned(),
        state: "idle",
        is_still: false,
        tls: true,
        age: Duration::from_millis(1500),
        asked: None,
        exchanges: 7,
        core,
    }
}

fn pool(user: &str, core: usize) -> PoolView {
    PoolView {
        protocol: "made_up",
        cluster: "eu".to_owned(),
        endpoint: "db:1".to_owned(),
        role: "primary",
        space: "orders".to_owned(),
        user: user.to_owned(),
        mode: "transaction",
        size: 20,
        active: 3,
        idle: 2,
        opening: 1,
        waiting: 4,
        core,
    }
}

fn server(core: usize) -> ServerView {
    ServerView {
        protocol: "made_up",
        cluster: "eu".to_owned(),
        endpoint: "db:1".to_owned(),
        space: "orders".to_owned(),
        user: "app".to_owned(),
        ident: "4711".to_owned(),
        state: "active",
        client: Some(12),
        tls: false,
        is_leaving: false,
        age: Duration::from_secs(2),
        exchanges: 70,
        core,
    }
}

impl Source for MadeUp {
    fn listeners(&self) -> BoxFuture<'_, Vec<ListenerView>> {
        let view = ListenerView {
            name: "main".to_owned(),
            protocol: "made_up",
            address: "127.0.0.1:6432".to_owned(),
            tls: "allow",
            clients: 25,
            max_clients: 100,
            certificate_expires_in: Some(Duration::from_hours(1)),
        };
        async { vec![view] }.boxed()
    }
    fn rooms(&self) -> BoxFuture<'_, Vec<RoomView>> {
        async { vec![self.room(0), self.room(1)] }.boxed()
    }
    fn unready(&self) -> BoxFuture<'_, Vec<String>> {
        async { self.unready.clone() }.boxed()
    }
    fn console<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<tidegate_engine::Answer, Vec<&'static str>>> {
        let column = |name, kind| Column { name, kind };
        let answer = tidegate_engine::Answer {
            columns: vec![column("name", ColumnKind::Text), column("a_number", ColumnKind::Int4)],
            rows: vec![
                vec!["shop".into(), 7_u64.into()],
                vec![Value::Null, Value::Number(u64::MAX)],
            ],
            ..tidegate_engine::Answer::done("SHOW")
        };
        let outcome = if table == "pools" {
            Ok(answer)
        } else {
            Err(vec!["pools", "stats"])
        };
        async { outcome }.boxed()
    }
    fn config(&self) -> BoxFuture<'_, Json> {
        async { json!({ "admin": { "token": "***" } }) }.boxed()
    }
    fn version(&self) -> Version {
        Version {
            version: "1.2.3",
            commit: None,
            target: "here",
        }
    }
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Vec<String>>> {
        let outcome = if self.unready.is_empty() {
            Ok(Reloaded {
                changed: vec!["node".to_owned()],
                needs_restart: vec!["node".to_owned()],
            })
        } else {
            Err(vec!["t.yaml:1:1: no".to_owned()])
        };
        async {
            tokio::time::sleep(self.reload_takes).await;
            self.reloads.fetch_add(1, Ordering::Relaxed);
            outcome
        }
        .boxed()
    }
}

/// An answer: status, head, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn start(source: MadeUp, token: Option<&str>) -> SocketAddr {
    let config = AdminConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        token: token.map(Secret::new),
        ..AdminConfig::default()
    };
    let admin = Admin::bind(&config, Arc::new(source), Arc::new(Registry::new()))
        .await
        .unwrap();
    let address = admin.address().unwrap();
    tokio::spawn(admin.serve());
    address
}

async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status: {text}")),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

async fn with_token(address: SocketAddr, method: &str, path: &str) -> Answer {
    ask(address, method, path, &format!("authorization: bearer {TOKEN}\r\n")).await
}

const EVERYTHING_ELSE: [&str; 9] = [
    "/v1/listeners",
    "/v1/pools",
    "/v1/clients",
    "/v1/servers",
    "/v1/console/pools",
    "/v1/version",
    "/v1/config",
    "/v1/reload",
    "/nothing",
];

#[tokio::test]
async fn everything_but_health_and_metrics_wants_the_token() {
    let address = start(MadeUp::default(), Some(TOKEN)).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(address, "GET", path, "").await.status, 200, "{path}");
    }
    let wrong = [
        "",
        "authorization: Bearer open\r\n",
        "authorization: Basic open sesame\r\n",
        "authorization: Bearer\r\n",
    ];
    for path in EVERYTHING_ELSE {
        for header in wrong {
            let answer = ask(address, "GET", path, header).await;
            assert_eq!(answer.status, 401, "{path} {header}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
            assert!(
                answer.json()["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("Authorization")
            );
        }
    }
    assert_eq!(
        with_token(address, "GET", "/v1/version").await.json()["version"],
        "1.2.3"
    );
}

#[tokio::test]
async fn without_a_configured_token_nothing_else_answers() {
    for token in [None, Some("")] {
        let address = start(MadeUp::default(), token).await;
        assert_eq!(ask(address, "GET", "/metrics", "").await.status, 200);
        for path in EVERYTHING_ELSE {
            let answer = ask(address, "GET", path, "authorization: Bearer \r\n").await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.body.contains("admin.token"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn readiness_says_why_not() {
    let ready = start(MadeUp::default(), None).await;
    assert_eq!(
        ask(ready, "GET", "/readyz", "").await.json(),
        json!({ "ready": true, "reasons": [] })
    );
    let source = MadeUp {
        unready: vec!["the gateway is shutting down".to_owned()],
        ..MadeUp::default()
    };
    let unready = start(source, None).await;
    let answer = ask(unready, "GET", "/readyz", "").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"], json!(["the gateway is shutting down"]));
    assert_eq!(ask(unready, "GET", "/livez", "").await.status, 200);
    assert!(
        ask(unready, "GET", "/metrics", "")
            .await
            .body
            .contains("\ntidegate_ready 0\n")
    );
}

#[tokio::test]
async fn tables_of_the_console_are_lists_of_rows() {
    let address = start(MadeUp::default(), Some(TOKEN)).await;
    let table = with_token(address, "GET", "/v1/console/pools").await;
    let expected = r#"[{"name":"shop","a_number":7},{"name":null,"a_number":18446744073709551615}]"#;
    assert_eq!((table.status, table.body.as_str()), (200, expected));
    for path in ["/v1/console/none", "/v1/console/PAUSE", "/v1/console/pools%3B"] {
        let none = with_token(address, "GET", path).await;
        assert_eq!(none.status, 404, "{path}");
        assert!(none.body.contains("there is pools, stats"), "{}", none.body);
    }
    assert_eq!(with_token(address, "POST", "/v1/console/pools").await.status, 405);
}

#[tokio::test]
async fn views_come_in_pages_of_a_stable_order() {
    let address = start(MadeUp::default(), Some(TOKEN)).await;
    let all = with_token(address, "GET", "/v1/clients").await.json();
    assert_eq!(
        (&all["total"], all["items"].as_array().unwrap().len()),
        (&json!(25), 25)
    );
    assert_eq!(all["items"][0]["age_seconds"], 1.5);
    assert_eq!(all["items"][0]["application_name"], "a \"quoted\" name");
    let mut ids = Vec::new();
    for offset in [0, 10, 20] {
        let path = format!("/v1/clients?limit=10&offset={offset}");
        let page = with_token(address, "GET", &path).await.json();
        assert_eq!((&page["total"], &page["limit"]), (&json!(25), &json!(10)));
        ids.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_u64().unwrap()),
        );
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..25).collect::<Vec<_>>());
    let capped = with_token(address, "GET", "/v1/clients?limit=99999999").await.json();
    assert_eq!(capped["limit"], 10_000);
    for wrong in ["limit=x", "limit=-1", "offest=1"] {
        let answer = with_token(address, "GET", &format!("/v1/pools?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    let pools = with_token(address, "GET", "/v1/pools").await.json();
    assert_eq!(pools["items"][1]["waiting"], 4);
    assert_eq!(
        with_token(address, "GET", "/v1/servers").await.json()["items"][0]["ident"],
        "4711"
    );
    let listeners = with_token(address, "GET", "/v1/listeners").await.json();
    assert_eq!(listeners["items"][0]["certificate_expires_in_seconds"], 3600);
    assert_eq!(
        with_token(address, "GET", "/v1/config").await.json()["admin"]["token"],
        "***"
    );
}

#[tokio::test]
async fn a_reload_tells_what_changed_or_every_mistake() {
    let address = start(MadeUp::default(), Some(TOKEN)).await;
    let answer = with_token(address, "POST", "/v1/reload").await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "changed": ["node"], "needs_restart": ["node"] }))
    );
    let source = MadeUp {
        unready: vec![String::new()],
        ..MadeUp::default()
    };
    let broken = start(source, Some(TOKEN)).await;
    let answer = with_token(broken, "POST", "/v1/reload").await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["error"]["mistakes"], json!(["t.yaml:1:1: no"]));
}

#[tokio::test]
async fn a_reload_is_finished_even_when_nobody_waits_for_it() {
    let reloads = Arc::new(AtomicUsize::new(0));
    let source = MadeUp {
        reload_takes: Duration::from_millis(200),
        reloads: Arc::clone(&reloads),
        ..MadeUp::default()
    };
    let address = start(source, Some(TOKEN)).await;
    let asking = with_token(address, "POST", "/v1/reload");
    assert!(tokio::time::timeout(Duration::from_millis(50), asking).await.is_err());
    for _ in 0..200 {
        if reloads.load(Ordering::Relaxed) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the reload was given up with its client");
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told_in_json() {
    let address = start(MadeUp::default(), Some(TOKEN)).await;
    let unknown = with_token(address, "GET", "/v1/clinets").await;
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("/v1/clients")
    );
    let get = with_token(address, "GET", "/v1/reload").await;
    assert_eq!(get.status, 405);
    assert!(get.json()["error"]["message"].as_str().unwrap().contains("POST"));
    assert_eq!(with_token(address, "POST", "/v1/pools").await.status, 405);
}

#[tokio::test]
async fn a_scrape_sums_cores_and_bounds_its_series() {
    let address = start(MadeUp::default(), None).await;
    let answer = ask(address, "GET", "/metrics", "").await;
    assert!(
        answer.head.contains("content-type: text/plain; version=0.0.4"),
        "{}",
        answer.head
    );
    for line in [
        "tidegate_pool_connections{cluster=\"eu\",space=\"orders\",user=\"user0\",state=\"active\"} 6",
        "tidegate_pool_connections{cluster=\"eu\",space=\"orders\",user=\"user0\",state=\"idle\"} 4",
        "tidegate_pool_waiting_clients{cluster=\"eu\",space=\"orders\",user=\"user0\"} 8",
        "tidegate_pool_max_connections{cluster=\"eu\",space=\"orders\",user=\"user0\"} 40",
        "tidegate_cluster_clients{cluster=\"eu\",state=\"idle\"} 25",
        "tidegate_listener_clients{listener=\"main\"} 25",
        "tidegate_certificate_expiry_seconds{listener=\"main\"} 3600",
        "tidegate_ready 1",
    ] {
        assert!(
            answer.body.lines().any(|found| found == line),
            "{line} is missing in\n{}",
            answer.body
        );
    }
    let source = MadeUp {
        users: 3000,
        ..MadeUp::default()
    };
    let crowded = start(source, None).await;
    let text = ask(crowded, "GET", "/metrics", "").await.body;
    let waiting = text
        .lines()
        .filter(|line| line.starts_with("tidegate_pool_waiting_clients{"));
    let counts: Vec<u64> = waiting
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert_eq!(
        (counts.len(), counts.iter().sum::<u64>()),
        (1001, 2 * 3000 * 4),
        "bounded, and nothing is lost"
    );
}

#[tokio::test]
async fn heads_and_connections_are_bounded() {
    let address = start(MadeUp::default(), None).await;
    let long = format!("x: {}\r\n", "y".repeat(64 * 1024));
    assert_eq!(ask(address, "GET", "/livez", &long).await.status, 431);
    let many = "x: y\r\n".repeat(100);
    assert_eq!(ask(address, "GET", "/livez", &many).await.status, 431);

    let mut held = Vec::new();
    for _ in 0..128 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        held.push(stream);
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    let mut text = Vec::new();
    let _ = refused.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let _ = refused.read_to_end(&mut text).await;
    assert!(text.is_empty(), "one too many gets no answer");
    drop(held);
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        if text.starts_with("HTTP/1.1 200") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("places are not given back");
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (address, words) in [
        (address.as_str(), "set admin.address"),
        ("unix:/tmp/x", "write host:port"),
    ] {
        let config = AdminConfig {
            address: address.parse().unwrap(),
            ..AdminConfig::default()
        };
        let bound = Admin::bind(&config, Arc::new(MadeUp::default()), Arc::new(Registry::new())).await;
        let error: AdminError = bound.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
