//! Signals: with PgBouncer's files they mean what they mean to PgBouncer.

mod console_house;
mod dialect;

use std::time::Duration;

use console_house::{House, row, show};
use dialect::Dialect;
use rustix::process::Signal;
use tidegate_kit::{RawClient, eventually, message};

const PATIENCE: Duration = Duration::from_secs(30);

fn says_nothing(client: &mut RawClient) -> bool {
    client.patience(Duration::from_millis(300));
    let is_silent = client.try_frame().is_err();
    client.patience(PATIENCE);
    is_silent
}

/// Whether a newcomer is turned away, as one is that comes to a gateway that goes down.
fn refuses(dialect: &Dialect) -> bool {
    RawClient::try_connect(&dialect.shop()).is_err_and(|error| error.sqlstate() == "57P01")
}

#[track_caller]
fn is_told(client: &mut RawClient) {
    assert_eq!(client.frame().sqlstate(), "57P01");
    assert!(client.closed_within(PATIENCE));
}

#[test]
fn hup_reads_the_files_again() {
    let dialect = Dialect::new("");
    let mut client = RawClient::connect(&dialect.shop());
    client.query("BEGIN; SELECT 1");
    dialect.gateway.reload(&dialect.ini("default_pool_size = 7"));
    let mut console = dialect.console();
    eventually("the size is another", || {
        row(&mut console, "databases", "name", "shop")["pool_size"] == "7"
    });
    assert_eq!(client.query("COMMIT").status(), Some('I'));
}

#[test]
fn term_waits_for_clients_and_a_second_one_for_nothing() {
    let mut dialect = Dialect::new("");
    let (mut one, mut two) = (RawClient::connect(&dialect.shop()), RawClient::connect(&dialect.shop()));
    dialect.gateway.signal(Signal::TERM);
    eventually("nobody comes in", || refuses(&dialect));
    for _ in 0..3 {
        assert_eq!(one.query("SELECT 1").value(), "1");
        assert_eq!(two.query("SELECT 2").value(), "2");
    }
    one.terminate();
    assert_eq!(two.query("SELECT 3").value(), "3");
    two.terminate();
    assert_eq!(dialect.gateway.wait(PATIENCE).code(), Some(0));

    let mut dialect = Dialect::new("");
    let mut open = RawClient::connect(&dialect.shop());
    open.query("BEGIN; SELECT 1");
    dialect.gateway.signal(Signal::TERM);
    eventually("nobody comes in", || refuses(&dialect));
    dialect.gateway.signal(Signal::TERM);
    assert_eq!(dialect.gateway.wait(PATIENCE).code(), Some(0));
    is_told(&mut open);
}

#[test]
fn int_waits_for_servers() {
    let mut dialect = Dialect::new("");
    let (mut idle, mut open) = (RawClient::connect(&dialect.shop()), RawClient::connect(&dialect.shop()));
    idle.query("SELECT 1");
    open.query("BEGIN; SELECT 1");
    dialect.gateway.signal(Signal::INT);
    is_told(&mut idle);
    assert!(refuses(&dialect));
    assert_eq!(open.query("SELECT 2").value(), "2");
    assert_eq!(open.query("COMMIT").sqlstate(), "");
    assert_eq!(dialect.gateway.wait(PATIENCE).code(), Some(0));
}

#[test]
fn quit_waits_for_nothing() {
    let mut dialect = Dialect::new("");
    let mut busy = RawClient::connect(&dialect.shop());
    busy.send(&message::query("SELECT pg_sleep(600)"));
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)'";
    eventually("it runs", || dialect.postgres.value(running) == "1");
    dialect.gateway.signal(Signal::QUIT);
    assert_eq!(dialect.gateway.wait(PATIENCE).code(), Some(0));
    eventually("the server has stopped", || dialect.postgres.value(running) == "0");
}

#[test]
fn usr1_pauses_and_usr2_resumes() {
    let dialect = Dialect::new("");
    let (mut one, mut two) = (RawClient::connect(&dialect.shop()), RawClient::connect(&dialect.shop()));
    two.query("SELECT 1");
    one.query("BEGIN; SELECT 1");
    let mut console = dialect.console();
    dialect.gateway.signal(Signal::USR1);
    eventually("it is paused", || show(&mut console, "state")[1]["value"] == "yes");
    two.send(&message::query("SELECT 2"));
    assert!(says_nothing(&mut two), "nobody gets a server");
    assert_eq!(one.query("SELECT 3").value(), "3", "a transaction goes on");
    one.query("COMMIT");
    eventually("no connection is left", || dialect.postgres.backends("app").is_empty());
    dialect.gateway.signal(Signal::USR1);
    dialect.gateway.wait_for_log("already suspended/paused");
    dialect.gateway.signal(Signal::USR2);
    assert_eq!(two.reply().value(), "2");
    assert_eq!(show(&mut console, "state")[0]["value"], "yes");
    dialect.gateway.signal(Signal::USR2);
    dialect.gateway.wait_for_log("not paused/suspended");
    assert_eq!(one.query("SELECT 4").value(), "4");
}

/// Whoever resumes before the last connection is gone ends the wait for it too.
#[test]
fn a_pause_that_is_taken_back_waits_for_nothing() {
    let dialect = Dialect::new("");
    let mut open = RawClient::connect(&dialect.shop());
    open.query("BEGIN; SELECT 1");
    let mut console = dialect.console();
    for _ in 0..2 {
        dialect.gateway.signal(Signal::USR1);
        eventually("it is paused", || show(&mut console, "state")[1]["value"] == "yes");
        dialect.gateway.signal(Signal::USR2);
        eventually("it goes on", || show(&mut console, "state")[0]["value"] == "yes");
    }
    let is_done = |line: &String| line.contains("done") && line.contains("PAUSE");
    eventually("nobody waits", || {
        dialect.gateway.lines().iter().filter(|line| is_done(line)).count() == 2
    });
    assert_eq!(open.query("SELECT 2").value(), "2");
}

/// The system would end a process that does not care for them.
#[test]
fn without_pgbouncers_files_usr1_and_usr2_do_nothing() {
    let mut house = House::new();
    let mut client = RawClient::connect(&house.settings.target());
    for signal in [Signal::USR1, Signal::USR2] {
        house.gateway.signal(signal);
    }
    house.gateway.wait_for_log("SIGUSR2");
    assert_eq!(client.query("SELECT 1").value(), "1");
    assert_eq!(show(&mut house.console(), "state")[0]["value"], "yes");
    client.query("BEGIN; SELECT 1");
    house.gateway.signal(Signal::QUIT);
    assert_eq!(house.gateway.wait(PATIENCE).code(), Some(0));
    is_told(&mut client);
}
