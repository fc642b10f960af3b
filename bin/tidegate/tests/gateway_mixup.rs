//! The mix-up test: hundreds of clients share few servers in transaction mode, tag all they say, and each must get its
//! own answers and no others, whatever happens to servers and to other clients.
//!
//! `TIDEGATE_SEED` repeats a run's choices; `TIDEGATE_SOAK` is the length of the storm in seconds.

mod mixup;

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mixup::{Client, Random, SCHEMAS, Storm, Trouble};
use tidegate_kit::{Admin, Gateway, Mode, Postgres, Settings, Stop, Target, eventually};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const CLIENTS: usize = 200;
const SERVERS: u32 = 8;
/// How long everything must go well before and after the storm.
const CALM: Duration = Duration::from_secs(3);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    number("TIDEGATE_SEED").unwrap_or_else(|| Random::new(u64::from(now.subsec_nanos())).next())
}

fn prepare(postgres: &Postgres) {
    postgres.execute(
        "CREATE TABLE ledger (owner int, amount bigint); CREATE TABLE inbox (owner text, number int); \
         GRANT ALL ON ledger, inbox TO app, other; GRANT CONNECT, TEMPORARY ON DATABASE app TO other",
    );
    for schema in 0..SCHEMAS {
        postgres.execute(&format!(
            "CREATE SCHEMA schema_{schema}; CREATE TABLE schema_{schema}.whereami AS SELECT 'schema_{schema}' AS name; \
             GRANT USAGE ON SCHEMA schema_{schema} TO app, other; \
             GRANT SELECT ON schema_{schema}.whereami TO app, other"
        ));
    }
}

/// One client's life: connect, act, and begin again when the connection is gone.
fn live(id: usize, seed: u64, storm: &Storm, target: &Target) {
    let mut random = Random::new(seed ^ (id as u64).wrapping_mul(0x9E37_79B9));
    let mut ledger = None;
    while !storm.is_over() {
        let mut client = match Client::connect(id, storm, target, random.clone(), ledger) {
            Ok(client) => client,
            Err(Trouble::Wrong(text)) => return storm.wrong(text),
            Err(_) => {
                random.next();
                storm.pause(Duration::from_millis(50));
                continue;
            }
        };
        storm.count("connections");
        while !storm.is_over() {
            match client.act() {
                Ok(()) => storm.count("done"),
                Err(Trouble::Excused) => storm.count("failed, and went on"),
                Err(Trouble::Lost) => break,
                Err(Trouble::Wrong(text)) => return storm.wrong(text),
            }
        }
        (random, ledger) = client.end();
    }
}

/// Kills servers, and now and then all of them at once.
fn rage(postgres: &mut Postgres, storm: &Storm, random: &mut Random, length: Duration) {
    let until = storm.now() + u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut next_restart = storm.now() + 2_000;
    while storm.now() < until && !storm.is_over() {
        storm.pause(random.millis(20, 250));
        if storm.now() >= next_restart {
            let how = [Stop::Fast, Stop::Immediate, Stop::Kill][usize::try_from(random.below(3)).unwrap_or(0)];
            postgres.stop(how);
            storm.pause(random.millis(0, 400));
            postgres.run();
            storm.count("restarts");
            next_restart = storm.now() + 3_000 + random.below(3_000);
            continue;
        }
        let ended = postgres.value(
            "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
             WHERE usename IN ('app', 'other') ORDER BY random() LIMIT 1) AS victim",
        );
        if ended == "1" {
            storm.count("servers killed");
        }
    }
}

/// Nothing of all this is left.
fn nothing_is_left(postgres: &Postgres, gateway: &Gateway, settings: &Settings) {
    let admin = Admin::of(settings);
    eventually("all sessions are over", || {
        admin.metric("tidegate_sessions", &[]) == 0.0
    });
    eventually("no server is lent and nobody waits", || {
        ["active", "opening"]
            .iter()
            .all(|state| admin.metric("tidegate_pool_connections", &[state]) == 0.0)
            && admin.metric("tidegate_pool_waiting_clients", &[]) == 0.0
    });
    let servers = "SELECT count(*) FILTER (WHERE state <> 'idle')::text || ' of ' || count(*) <= '0 of 9' \
                   AND count(*) <= 16 FROM pg_stat_activity WHERE usename IN ('app', 'other')";
    eventually("servers are idle, and no more than the pools may have", || {
        postgres.value(servers) == "t"
    });
    let (panics, lost) = (
        admin.metric("tidegate_session_panics_total", &[]),
        admin.metric(
            "tidegate_session_errors_total",
            &["origin=\"upstream\"", "kind=\"protocol\""],
        ),
    );
    assert!(
        panics == 0.0 && lost == 0.0,
        "{panics} panics; {lost} sessions lost count of their server"
    );
    let log = gateway.log();
    assert!(!log.contains("panicked"), "a panic in the log");
}

#[test]
fn every_client_gets_its_own_answers_and_no_others() {
    let seed = seed();
    let length = Duration::from_secs(number("TIDEGATE_SOAK").unwrap_or(8));
    eprintln!("TIDEGATE_SEED={seed}");
    let postgres = Postgres::builder().user("other", "other-secret");
    // A commit that was answered must outlive a crash: the clients keep books.
    let postgres = postgres.setting("synchronous_commit", "on");
    let mut postgres = postgres.max_connections(60).start();
    prepare(&postgres);
    let settings = Settings::new(&postgres, Mode::Transaction)
        .size(SERVERS)
        .user("other", "other-secret")
        .pool("queue_timeout: 9s")
        .cluster("timeouts: { query: 4s }");
    let gateway = settings.start(TIDEGATE);
    let descriptors = gateway.fds();
    let storm = Storm::new();
    thread::scope(|scope| {
        for id in 0..CLIENTS {
            let (storm, target) = (&storm, settings.target());
            // A few clients of another user, whose pool lives beside the first.
            let target = if id % 8 == 7 {
                target.with_user("other", "other-secret")
            } else {
                target
            };
            scope.spawn(move || live(id, seed, storm, &target));
        }
        storm.pause(CALM);
        storm.begin();
        rage(&mut postgres, &storm, &mut Random::new(seed), length);
        // What was on its way when the last server died may still find out.
        storm.pause(Duration::from_secs(1));
        storm.end();
        storm.pause(CALM);
        storm.finish();
    });
    eprintln!("{:#?}", storm.counts());
    let wrongs = storm.wrongs();
    assert!(wrongs.is_empty(), "TIDEGATE_SEED={seed}\n{}", wrongs.join("\n"));
    let done = storm.counts().get("done").copied().unwrap_or(0);
    assert!(done > 1000, "only {done} requests were served");
    nothing_is_left(&postgres, &gateway, &settings);
    eventually("descriptors are at the baseline", || {
        gateway.fds() <= descriptors + 2 * SERVERS as usize
    });
}
