//! Sessions at the admin console that are encrypted, hostile, slow or many.

mod console_house;

use std::time::Duration;

use console_house::{House, row, show};
use tidegate_kit::{Admin, Certificates, RawClient, message, wait_until};

#[test]
fn the_console_is_reached_over_tls() {
    let certificates = Certificates::new();
    let house = House::with(|settings| settings.tls(&certificates.server(), &certificates.ca()));
    let mut psql = house.postgres.programs().command("psql");
    house.target("ops").apply(&mut psql);
    let output = psql.args(["-X", "-At", "-c", "SHOW STATE"]).output().expect("psql");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "active|yes\npaused|no\nsuspended|no\n", "{output:?}");
}

#[test]
fn what_is_no_message_ends_the_session() {
    let house = House::new();
    for wrong in [
        message::frame(b'Q', &vec![b'x'; 100_000]),
        message::frame(b'z', b""),
        message::password("again"),
        b"Q\0\0\0\x03".to_vec(),
        b"Q\xff\xff\xff\xff".to_vec(),
    ] {
        let mut console = house.console();
        // The end of a message that is too long may meet a closed socket.
        let _sent = console.try_send(&wrong);
        let told = console.frame();
        assert_eq!(
            (told.field('S').as_str(), told.sqlstate().as_str()),
            ("FATAL", "08P01"),
            "{told:?}"
        );
        assert!(console.closed_within(Duration::from_secs(5)));
    }
    let mut console = house.console();
    console.send(&message::frame(b'Q', b"SHOW STATE"));
    assert_eq!(console.reply().sqlstate(), "08P01", "a text without an end");
    assert_eq!(console.query("SHOW STATE").rows().len(), 3);
}

#[test]
fn statements_that_come_together_are_answered_in_order() {
    let house = House::new();
    let mut console = house.console();
    let many = 500;
    console.send(&message::query("SHOW VERSION").repeat(many));
    for _ in 0..many {
        assert_eq!(console.reply().tags(), "TDCZ");
    }
    let names: Vec<_> = (0..=100)
        .map(|at| message::parse(&format!("s{at}"), "SHOW STATE"))
        .collect();
    console.send(&[names.concat(), message::sync()].concat());
    let reply = console.reply();
    assert_eq!((reply.sqlstate().as_str(), reply.tags().len()), ("54000", 102));
}

#[test]
fn a_client_that_reads_nothing_delays_nobody() {
    let mut house = House::new();
    let slow_drain = house.settings.yaml() + "runtime: { drain_timeout: 1s }\n";
    house.gateway.reload(&slow_drain);
    let mut slow = house.console();
    // More answers than sockets hold.
    slow.send(&message::query("SHOW CONFIG").repeat(2_000));
    let mut console = house.console();
    assert_eq!(show(&mut console, "state").len(), 3);
    let app = house.settings.target();
    assert_eq!(RawClient::connect(&app).query("SELECT 1").value(), "1");
    row(&mut console, "stats", "database", &app.database);
    drop(console);
    assert_eq!(
        house.gateway.terminate(Duration::from_secs(60)).code(),
        Some(4),
        "it was there to the end"
    );
}

#[test]
fn sessions_count_as_clients_of_the_listener() {
    let house = House::with(|settings| settings.listener("max_clients: 2"));
    let (one, _two) = (house.console(), house.console());
    let refused = RawClient::try_connect(&house.target("ops")).expect_err("no room");
    assert_eq!(refused.sqlstate(), "53300");
    one.terminate();
    let has_room = || RawClient::try_connect(&house.target("ops")).is_ok();
    assert!(wait_until(Duration::from_secs(10), has_room));
}

#[test]
fn a_client_that_leaves_while_it_waits_leaves_nothing() {
    let house = House::new();
    let before = house.gateway.fds();
    for _ in 0..50 {
        let mut console = house.console();
        console.send(&message::query("SHOW CONFIG"));
        drop(console);
    }
    let admin = Admin::of(&house.settings);
    let clients = || admin.metric("tidegate_listener_clients", &[]);
    assert!(
        wait_until(Duration::from_secs(20), || clients() < 0.5),
        "{} are left",
        clients()
    );
    // Health checks and the admin API have some of their own, now and then.
    let after = house.gateway.fds();
    assert!(after < before + 20, "{after} file descriptors, {before} before");
}
