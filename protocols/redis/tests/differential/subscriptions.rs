//! Subscriptions, as a server alone would answer them.

use tidegate_kit::{Flavour, Redis as Server, Resp, RespClient, eventually};

use crate::common::Both;
use crate::common::random::Random;

/// A client that may listen: what was published comes when it comes, and everything else in order.
struct Listener {
    client: RespClient,
    said: Vec<String>,
    heard: Vec<String>,
    pings: usize,
}

impl Listener {
    fn new(mut client: RespClient, version: &str) -> Self {
        client.ask(&["HELLO", version]);
        let (said, heard) = (Vec::new(), Vec::new());
        Self {
            client,
            said,
            heard,
            pings: 0,
        }
    }

    /// Sends this, and takes what comes until a mark has come back.
    fn step(&mut self, words: &[String]) {
        self.pings += 1;
        let mark = format!("mark {}", self.pings);
        let mut bytes = RespClient::encode(words);
        bytes.extend(RespClient::encode(&["PING", &mark]));
        self.client.send(&bytes);
        loop {
            let (reply, bytes) = self.client.raw();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let kind = reply.items().first().map(Resp::text).unwrap_or_default();
            if kind == "message" || kind == "pmessage" {
                self.heard.push(text);
            } else {
                let is_mark = text.contains(&mark);
                self.said.push(text);
                if is_mark {
                    return;
                }
            }
        }
    }
}

fn listen(random: &mut Random) -> Vec<String> {
    let text = random.pick(&[
        "SUBSCRIBE a",
        "SUBSCRIBE a b",
        "SUBSCRIBE b c a a",
        "PSUBSCRIBE a*",
        "PSUBSCRIBE [bc] *",
        "UNSUBSCRIBE a",
        "UNSUBSCRIBE",
        "UNSUBSCRIBE a none b",
        "PUNSUBSCRIBE a*",
        "PUNSUBSCRIBE",
        "SUBSCRIBE",
        "GET x",
        "SET x 1",
        "RESET",
        "PUBLISH b own",
        "PING too many words",
    ]);
    text.split(' ').map(str::to_owned).collect()
}

/// What was published.
fn payload(message: &str) -> &str {
    message.trim_end().rsplit("\r\n").next().unwrap_or_default()
}

fn check_subscriptions(flavour: Flavour, seed: u64, version: &str) {
    let direct = Server::start(flavour);
    let both = Both::start(flavour);
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ seed);
    let mut publishers = [direct.client(), both.client()];
    let mut listeners = [direct.client(), both.client()].map(|client| Listener::new(client, version));
    for number in 0..300 {
        let words = listen(&mut random);
        // The channels of one UNSUBSCRIBE without any come in the order of the server's own table.
        let is_in_any_order = words.len() == 1 && words[0].ends_with("UNSUBSCRIBE");
        if words[0].ends_with("UNSUBSCRIBE") && flavour == Flavour::Valkey {
            // It has an error of its own for who listens to none; the gateway answers as Redis does.
            continue;
        }
        let begin = listeners[0].said.len();
        for listener in &mut listeners {
            listener.step(&words);
            if is_in_any_order {
                let rest = &mut listener.said[begin..];
                let mut channels: Vec<String> = rest.iter().map(|text| text.replace(char::is_numeric, "")).collect();
                channels.sort();
                rest.clone_from_slice(&channels);
            }
        }
        let [one, two] = &listeners;
        assert_eq!(
            one.said[begin..],
            two.said[begin..],
            "{flavour:?}, seed {seed}, number {number}: {words:?}"
        );
        let channel = random.pick(&["a", "b", "c", "d", "aa"]);
        let [one, two] = publishers
            .each_mut()
            .map(|publisher| publisher.ask(&["PUBLISH", channel, &number.to_string()]));
        // The gateway listens once for all its clients, on each channel and each pattern.
        assert_eq!(one, two, "{flavour:?}, seed {seed}, number {number}: PUBLISH {channel}");
        let count = listeners[0].heard.len();
        let ping = ["PING".to_owned(), "once more".to_owned()];
        listeners[0].step(&ping);
        listeners[1].step(&ping);
        let count = count.max(listeners[0].heard.len());
        eventually("it is heard", || {
            let is_there = listeners[1].heard.len() >= count;
            if !is_there {
                listeners[1].step(&ping);
                let said = listeners[1].said.len();
                listeners[1].said.truncate(said - 2);
            }
            is_there
        });
        listeners[1].pings = listeners[0].pings;
    }
    for listener in &mut listeners {
        // One message comes for each pattern in the order of the server's own table.
        for of_one in listener.heard.chunk_by_mut(|one, next| payload(one) == payload(next)) {
            of_one.sort();
        }
    }
    let [one, two] = &listeners;
    assert_eq!(one.heard, two.heard, "{flavour:?}, seed {seed}");
    assert!(one.heard.len() > 50, "only {} were heard", one.heard.len());
}

#[test]
fn the_same_subscriptions() {
    for flavour in Flavour::ALL {
        for (seed, version) in [(1, "2"), (2, "3"), (3, "2"), (4, "3"), (5, "3")] {
            check_subscriptions(flavour, seed, version);
        }
    }
}
