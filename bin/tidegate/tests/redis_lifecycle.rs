//! Redis through the real binary: going down, coming and going clients, and a configuration that changes under them.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidegate_kit::{Flavour, Gateway, Port, Redis, Resp, RespClient, eventually, wait_until};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const PATIENCE: Duration = Duration::from_secs(20);

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

/// A listener, and one cluster called `app`, with more to say of each.
fn yaml(port: &Port, server: &Redis, top: &str, listener: &str, cluster: &str) -> String {
    format!(
        "admin: {{ enabled: false }}\n\
         {top}\n\
         listeners:\n\
         \x20 main:\n\
         \x20   protocol: redis\n\
         \x20   address: \"{}\"\n\
         \x20   {listener}\n\
         clusters:\n\
         \x20 app:\n\
         \x20   protocol: redis\n\
         \x20   endpoints: [ {{ address: \"{}\" }} ]\n\
         \x20   {cluster}\n",
        port.address(),
        server.address(),
    )
}

const TRUST: &str = "login: { method: trust }\n    routes: [ { cluster: app } ]";

fn start(port: &Port, yaml: &str) -> Gateway {
    let gateway = Gateway::builder(TIDEGATE, yaml).listens(port.address()).start();
    eventually("a server is there", || {
        RespClient::connect(port.address()).ask(&["SET", "ready", "1"]) == simple("OK")
    });
    gateway
}

/// SH-50: who asks for nothing leaves, what is under way ends, and nobody new comes in.
#[test]
fn a_drain_waits_for_what_is_under_way() {
    for flavour in Flavour::ALL {
        let (server, port) = (Redis::start(flavour), Port::reserve());
        let mut gateway = start(
            &port,
            &yaml(&port, &server, "runtime: { drain_timeout: 60s }", TRUST, ""),
        );
        let client = || RespClient::connect(port.address());
        let (mut idle, mut subscribed, mut blocked, mut popped, mut open) =
            (client(), client(), client(), client(), client());
        assert_eq!(idle.ask(&["PING"]), simple("PONG"));
        assert_eq!(subscribed.ask(&["SUBSCRIBE", "news"]).items().len(), 3);
        blocked.command(&["BLPOP", "nothing", "2"]);
        popped.command(&["BLPOP", "queue", "0"]);
        eventually("they block", || server.info("blocked_clients") == "2");
        assert_eq!(open.ask(&["MULTI"]), simple("OK"));
        gateway.begin_drain();
        assert!(idle.closed_within(PATIENCE));
        assert!(subscribed.closed_within(PATIENCE));
        assert_eq!(open.ask(&["SET", "a", "1"]), simple("QUEUED"));
        let late = RespClient::try_connect(port.address()).and_then(|mut late| {
            late.try_send(&RespClient::encode(&["PING"]))?;
            late.try_reply()
        });
        assert!(
            !matches!(late, Ok(Resp::Simple(_))),
            "a client during the drain: {late:?}"
        );
        assert_eq!(open.ask(&["EXEC"]), Resp::Array(vec![simple("OK")]));
        assert!(open.closed_within(PATIENCE));
        server.ask(&["RPUSH", "queue", "x"]);
        assert_eq!(popped.reply().items().len(), 2);
        assert!(popped.closed_within(PATIENCE));
        assert_eq!(blocked.reply(), Resp::Null);
        assert!(blocked.closed_within(PATIENCE));
        assert_eq!(
            gateway.wait(PATIENCE).code(),
            Some(0),
            "{flavour:?}:\n{}",
            gateway.log()
        );
        assert!(TcpStream::connect(port.address()).is_err());
        eventually("its servers are gone", || server.info("connected_clients") == "1");
    }
}

/// Who is left when the time is up is closed, and the exit code says so.
#[test]
fn a_drain_has_a_limit() {
    let (server, port) = (Redis::start(Flavour::Redis), Port::reserve());
    let mut gateway = start(
        &port,
        &yaml(&port, &server, "runtime: { drain_timeout: 1s }", TRUST, ""),
    );
    let mut blocked = RespClient::connect(port.address());
    blocked.command(&["BLPOP", "queue", "0"]);
    eventually("it blocks", || server.info("blocked_clients") == "1");
    assert_eq!(gateway.terminate(PATIENCE).code(), Some(4), "{}", gateway.log());
    assert!(blocked.closed_within(PATIENCE));
    eventually("it waits no more", || server.info("blocked_clients") == "0");
    server.ask(&["RPUSH", "queue", "x"]);
    assert_eq!(server.ask(&["LLEN", "queue"]), Resp::Integer(1), "nobody took it");
}

#[test]
fn at_the_limit_of_clients_the_next_is_told_in_redis_words() {
    let (server, port) = (Redis::start(Flavour::Valkey), Port::reserve());
    let more = format!("max_clients: 3\n    {TRUST}");
    let _gateway = start(&port, &yaml(&port, &server, "", &more, ""));
    let mut inside = Vec::new();
    let mut told = Resp::Null;
    for _ in 0..6 {
        let mut client = RespClient::connect(port.address());
        // Those who came while it started may still be leaving, so it is not always the fourth.
        match client
            .try_send(&RespClient::encode(&["PING"]))
            .and_then(|()| client.try_reply())
        {
            Ok(Resp::Simple(_)) => inside.push(client),
            Ok(error) => {
                told = error;
                assert!(client.closed_within(PATIENCE));
            }
            Err(error) => panic!("closed without a word: {error}"),
        }
    }
    assert_eq!(told, Resp::Error("ERR max number of clients reached".to_owned()));
    assert_eq!(inside.len(), 3);
    for client in &mut inside {
        assert_eq!(client.ask(&["GET", "ready"]).text(), "1");
    }
    inside.pop();
    eventually("there is room again", || {
        let mut client = RespClient::connect(port.address());
        client.try_send(&RespClient::encode(&["PING"])).is_ok()
            && client.try_reply().is_ok_and(|pong| pong == simple("PONG"))
    });
}

/// SH-09: with `when_full: wait` who comes too late is heard when somebody has left; the socket listens all the time.
#[test]
fn a_full_listener_can_let_clients_wait() {
    let (server, port) = (Redis::start(Flavour::Redis), Port::reserve());
    let more = format!("max_clients: 2\n    when_full: wait\n    {TRUST}");
    let mut gateway = start(&port, &yaml(&port, &server, "", &more, ""));
    let connect = || {
        let mut client = RespClient::connect(port.address());
        client.command(&["PING"]);
        client
    };
    let mut inside: Vec<RespClient> = (0..2).map(|_| connect()).collect();
    for client in &mut inside {
        assert_eq!(client.reply(), simple("PONG"));
    }
    let mut waiting = connect();
    std::thread::sleep(Duration::from_millis(300));
    for client in &mut inside {
        assert_eq!(client.ask(&["PING"]), simple("PONG"), "the others are served meanwhile");
    }
    let told = waiting.reply_within(Duration::from_millis(200));
    assert!(told.is_none(), "it is not let in: {told:?}");
    drop(inside.pop());
    assert_eq!(waiting.reply(), simple("PONG"), "it is let in when somebody leaves");
    assert_eq!(gateway.terminate(PATIENCE).code(), Some(0), "{}", gateway.log());
}

/// One in every five leaves in the midst of something.
fn come_and_go(port: &Port, count: usize) {
    for number in 0..count {
        let mut client = RespClient::connect(port.address());
        match number % 5 {
            0 => client.send(b"*2\r\n$3\r\nGET\r\n$10"),
            1 => assert_eq!(client.ask(&["MULTI"]), simple("OK")),
            2 => client.command(&["BLPOP", "queue", "0"]),
            3 => assert_eq!(client.ask(&["SUBSCRIBE", &format!("c{number}")]).items().len(), 3),
            _ => assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK")),
        }
    }
}

#[test]
fn clients_that_come_and_go_leave_nothing() {
    let (server, port) = (Redis::start(Flavour::Redis), Port::reserve());
    let gateway = start(&port, &yaml(&port, &server, "runtime: { data_threads: 1 }", TRUST, ""));
    let mut watcher = server.client();
    let mut settled = |what: &str| {
        eventually(what, || {
            let list = watcher.ask(&["CLIENT", "LIST"]).text();
            let is_idle = |line: &str| line.contains(" multi=-1 ") && !line.contains("flags=b");
            list.lines().all(|line| is_idle(line) && line.contains(" sub=0 "))
        });
    };
    come_and_go(&port, 500);
    settled("all are gone");
    let (descriptors, memory) = (gateway.fds(), gateway.process().anonymous_kib());
    come_and_go(&port, 1000);
    settled("all are gone again");
    // A few idle connections to the server more or less.
    eventually("descriptors are at the baseline", || gateway.fds() <= descriptors + 8);
    let grown = gateway.process().anonymous_kib().saturating_sub(memory);
    assert!(grown < 1024, "{grown} KiB more after 1,000 clients");
}

/// Clients that work while something changes; none may see an error.
struct Work {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<RespClient>>,
}

impl Work {
    fn start(port: &Port, login: &'static [&'static str], count: usize) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let address = port.address();
        let clients = (0..count).map(|name| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            thread::spawn(move || {
                let mut client = RespClient::connect(address);
                if !login.is_empty() {
                    assert_eq!(client.ask(login), simple("OK"));
                }
                let key = format!("work{name}");
                let mut turn = 0;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    let text = turn.to_string();
                    assert_eq!(client.ask(&["SET", &key, &text]), simple("OK"), "{name}: {turn}");
                    assert_eq!(client.ask(&["GET", &key]).text(), text, "{name}");
                    if turn % 10 == 0 {
                        assert_eq!(client.ask(&["MULTI"]), simple("OK"), "{name}: {turn}");
                        assert_eq!(client.ask(&["INCRBY", &key, "0"]), simple("QUEUED"));
                        assert_eq!(client.ask(&["EXEC"]), Resp::Array(vec![Resp::Integer(turn)]));
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                client
            })
        });
        let clients = clients.collect();
        Self { stop, done, clients }
    }

    /// So much more is done.
    #[track_caller]
    fn goes_on(&self) {
        let before = self.done.load(Ordering::Relaxed);
        let count = self.clients.len() * 40;
        let moved = wait_until(PATIENCE, || self.done.load(Ordering::Relaxed) > before + count);
        assert!(moved, "nothing is done any more");
    }

    fn end(self) -> Vec<RespClient> {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self
            .clients
            .into_iter()
            .map(|client| client.join().expect("a client that saw nothing"));
        joined.collect()
    }
}

/// SH-49 and the like: users, pools and routes change under clients that see nothing of it.
#[test]
fn a_configuration_changes_under_clients() {
    for flavour in Flavour::ALL {
        let (server, port, other) = (Redis::start(flavour), Port::reserve(), Redis::start(flavour));
        let users = |more: &str, routes: &str| {
            format!("login: {{ users: {{ app: {{ password: secret }}{more} }} }}\n    routes: [ {routes} ]")
        };
        let one = users("", "{ cluster: app }");
        let gateway = Gateway::builder(TIDEGATE, &yaml(&port, &server, "", &one, ""));
        let gateway = gateway.listens(port.address()).start();
        let work = Work::start(&port, &["AUTH", "app", "secret"], 4);
        work.goes_on();
        // A new user with a route of its own to a new cluster.
        let routed = users(
            ", new: { password: secret }",
            "{ match: { user: new }, cluster: other }, { cluster: app }",
        );
        let more = format!(
            "pool: {{ size: 20 }}\n  other:\n    protocol: redis\n    endpoints: [ {{ address: \"{}\" }} ]",
            other.address()
        );
        gateway.reload(&yaml(&port, &server, "", &routed, &more));
        eventually("the new user comes in", || {
            let mut client = RespClient::connect(port.address());
            client.ask(&["AUTH", "new", "secret"]) == simple("OK")
                && client.ask(&["SET", "is", "other"]) == simple("OK")
        });
        assert_eq!(other.ask(&["GET", "is"]).text(), "other");
        work.goes_on();
        // Another pool.
        gateway.reload(&yaml(
            &port,
            &server,
            "",
            &routed,
            &more.replace("size: 20", "size: 5, shared: 1"),
        ));
        work.goes_on();
        // The user and the cluster are gone again.
        gateway.reload(&yaml(&port, &server, "", &one, ""));
        eventually("the user is unknown", || {
            let mut client = RespClient::connect(port.address());
            client.ask(&["AUTH", "new", "secret"]).text().starts_with("WRONGPASS")
        });
        eventually("nobody is at the server of a cluster that is gone", || {
            other.info("connected_clients") == "1"
        });
        work.goes_on();
        // A mistake changes nothing.
        gateway.reload(&yaml(
            &port,
            &server,
            "",
            &one.replace("cluster: app", "cluster: nowhere"),
            "",
        ));
        gateway.wait_for_log("nowhere");
        work.goes_on();
        for mut client in work.end() {
            assert_eq!(client.ask(&["PING"]), simple("PONG"));
        }
        assert!(!gateway.log().contains("panic"), "{}", gateway.log());
    }
}
