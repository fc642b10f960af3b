use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use tidegate_kit::RespClient;

use crate::common::random::Random;

/// Who disturbs. It never waits for anything.
pub(crate) struct Unruly {
    stream: TcpStream,
    pub(crate) told: Vec<String>,
    over: bool,
}

impl Unruly {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nonblocking(true).expect("a stream that does not block");
        let (told, over) = (Vec::new(), false);
        Self { stream, told, over }
    }

    fn send(&mut self, bytes: &[u8]) {
        // A gateway that has closed is no surprise to it.
        let _gone = self.stream.write(bytes);
    }

    fn drain(&mut self) {
        let mut scratch = [0; 4096];
        while self.stream.read(&mut scratch).is_ok_and(|read| read > 0) {}
    }

    /// Does one thing.
    pub(crate) fn step(&mut self, random: &mut Random) {
        if self.over {
            return;
        }
        if random.next(14) == 0 {
            self.misbehave(random);
            return;
        }
        let words = disturbance(random);
        self.send(&RespClient::encode(&words));
        self.told.push(words.join(" "));
        if random.next(2) == 0 {
            self.drain();
        }
    }

    fn misbehave(&mut self, random: &mut Random) {
        let (what, bytes): (&str, &[u8]) = match random.next(6) {
            0 => ("half a command", b"*2\r\n$3\r\nGET\r\n$100\r\nab"),
            1 => ("half a header", b"*3\r\n$"),
            2 => ("no protocol", b"*x\r\n"),
            3 => ("half a line", b"SET a1"),
            4 => (
                "half a value that flows",
                b"*3\r\n$3\r\nSET\r\n$2\r\na9\r\n$9000000\r\nxxx",
            ),
            _ => ("a half-close", b""),
        };
        self.send(bytes);
        if bytes.is_empty() {
            let _gone = self.stream.shutdown(Shutdown::Write);
        }
        self.told.push(what.to_owned());
        self.over = true;
    }

    /// Goes away: with everything read, with answers that nobody reads (which resets the connection), or in order.
    pub(crate) fn leave(mut self, random: &mut Random) {
        match random.next(3) {
            0 => self.drain(),
            1 => self.send(&RespClient::encode(&["QUIT"])),
            _ => {}
        }
    }
}

/// A command of the one that disturbs.
fn disturbance(random: &mut Random) -> Vec<String> {
    let key = random.pick(&["a1", "a2", "{a}3", "{a}4"]);
    let text = match random.next(48) {
        0..=4 => "MULTI".to_owned(),
        5..=7 => "EXEC".to_owned(),
        8 => "DISCARD".to_owned(),
        9..=11 => format!("WATCH {key}"),
        12 => "UNWATCH".to_owned(),
        13 | 14 => format!("SUBSCRIBE {key}:news"),
        15 => "PSUBSCRIBE a*:news".to_owned(),
        16 => random.pick(&["UNSUBSCRIBE", "PUNSUBSCRIBE"]).to_owned(),
        17 => format!("SSUBSCRIBE {key}"),
        18 | 19 => format!("BLPOP {key}:q 0"),
        20 => format!("BLPOP {key}:q 0.02"),
        21 => "XREAD BLOCK 0 STREAMS a:stream $".to_owned(),
        22 | 23 => "CLIENT TRACKING ON".to_owned(),
        24 => "CLIENT TRACKING ON BCAST".to_owned(),
        25 => "CLIENT TRACKING OFF".to_owned(),
        26..=28 => format!("SELECT {}", random.next(5)),
        29 | 30 => format!("HELLO {}", 2 + random.next(2)),
        31 | 32 => "RESET".to_owned(),
        33 => random
            .pick(&["AUTH a secret", "AUTH a wrong", "AUTH default x", "AUTH"])
            .to_owned(),
        34 => "SCRIPT LOAD return{1}".to_owned(),
        35 => "EVAL return{redis.call('INCR',KEYS[1])} 1 a1".to_owned(),
        36 => "EVAL error('no') 0".to_owned(),
        37 => random
            .pick(&["GET", "NOSUCH a b", "SET a1", "CLIENT NOSUCH"])
            .to_owned(),
        38 => "CLIENT SETNAME unruly".to_owned(),
        39 => random
            .pick(&["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "CLIENT NO-EVICT ON"])
            .to_owned(),
        40 => "MONITOR".to_owned(),
        41 => "WAIT 1 20".to_owned(),
        42 => format!("PUBLISH {key}:news hello"),
        43 => random.pick(&["READONLY", "ASKING", "CLIENT CACHING YES"]).to_owned(),
        44 => format!("GET {key}"),
        45 => format!("MGET {key} a1 a2"),
        _ => format!("SET {key} x"),
    };
    text.split(' ').map(str::to_owned).collect()
}
