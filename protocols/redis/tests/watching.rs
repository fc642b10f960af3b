//! MONITOR and CLIENT TRACKING through the gateway: what a server tells one client of what others do.

mod common;

use std::time::Duration;

use common::Both;
use tidegate_kit::{Flavour, Resp, eventually, wait_until};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

#[test]
fn monitor_shows_what_others_do() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let (mut one, mut two) = (both.client(), both.client());
        assert_eq!(two.ask(&["SET", "before", "1"]), simple("OK"));
        assert_eq!(one.ask(&["MONITOR"]), simple("OK"));
        for number in 0..20 {
            assert_eq!(two.ask(&["SET", "seen", &number.to_string()]), simple("OK"));
        }
        let mut seen = 0;
        while seen < 20 {
            let Resp::Simple(line) = one.reply() else {
                panic!("no line")
            };
            assert!(!line.contains("\"before\""), "{line}");
            // Health checks and logins are seen too.
            if line.contains("\"seen\"") {
                assert!(line.ends_with(&format!("\"SET\" \"seen\" \"{seen}\"")), "{line}");
                seen += 1;
            }
        }
        one.command(&["RESET"]);
        let is_reset = wait_until(Duration::from_secs(10), || one.reply() == simple("RESET"));
        assert!(is_reset);
        assert_eq!(one.ask(&["GET", "seen"]), bulk("19"));
        eventually("its connection is given back or closed", || both.house.lent() == 0);
    }
}

#[test]
fn tracking_invalidates_for_who_asked() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let (mut one, mut two, mut third) = (both.client(), both.client(), both.client());
        for client in [&mut one, &mut third] {
            assert_eq!(client.ask(&["HELLO", "3"]).get("proto"), Some(&Resp::Integer(3)));
        }
        assert_eq!(two.ask(&["SET", "a", "1"]), simple("OK"));
        assert_eq!(one.ask(&["CLIENT", "TRACKING", "ON"]), simple("OK"));
        for turn in 1..=10 {
            assert_eq!(one.ask(&["GET", "a"]), bulk(&turn.to_string()));
            assert_eq!(third.ask(&["GET", "a"]), bulk(&turn.to_string()));
            assert_eq!(two.ask(&["INCR", "a"]), Resp::Integer(turn + 1));
            let keys = Resp::Array(vec![bulk("a")]);
            assert_eq!(one.reply(), Resp::Push(vec![bulk("invalidate"), keys]));
            assert_eq!(third.ask(&["PING"]), simple("PONG"), "nobody else hears of it");
        }
        assert_eq!(one.ask(&["CLIENT", "TRACKING", "OFF"]), simple("OK"));
        assert_eq!(one.ask(&["GET", "a"]), bulk("11"));
        assert_eq!(two.ask(&["SET", "a", "x"]), simple("OK"));
        assert_eq!(one.ask(&["PING"]), simple("PONG"));
        // Modes stay with a connection until it is told otherwise.
        assert_eq!(one.ask(&["RESET"]), simple("RESET"));
        eventually("its connection is given back or closed", || both.house.lent() == 0);
    }
}
