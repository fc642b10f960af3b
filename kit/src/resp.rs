use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hand-made client of Redis's protocol, blocking. It shares no code with what it tests.
#[derive(Debug)]
pub struct RespClient {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// A reply as a tree, of RESP2 or RESP3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resp {
    /// `+`
    Simple(String),
    /// `-`, or a blob of an error.
    Error(String),
    /// `:`
    Integer(i64),
    /// `$`, and `=` with its format.
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`
    Null,
    /// `,` and `(`, as text.
    Number(String),
    /// `#`
    Boolean(bool),
    /// `*`
    Array(Vec<Resp>),
    /// `%`, keys and values in turn.
    Map(Vec<Resp>),
    /// `~`
    Set(Vec<Resp>),
    /// `>`
    Push(Vec<Resp>),
}

impl RespClient {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"))
    }

    /// Connects, or says why not.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            address,
        })
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let sent = self.stream.get_mut().write_all(bytes);
        sent.unwrap_or_else(|e| panic!("cannot send to {}: {e}", self.address));
    }

    /// Sends a command.
    #[track_caller]
    pub fn command<A: AsRef<[u8]>>(&mut self, words: &[A]) {
        self.send(&Self::encode(words));
    }

    /// Sends a command and takes the next reply.
    #[track_caller]
    pub fn ask<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Resp {
        self.command(words);
        self.reply()
    }

    /// Takes the next reply.
    #[track_caller]
    pub fn reply(&mut self) -> Resp {
        self.try_reply()
            .unwrap_or_else(|e| panic!("no reply from {}: {e}", self.address))
    }

    /// Takes the next reply, or says why there is none.
    pub fn try_reply(&mut self) -> io::Result<Resp> {
        read(&mut self.stream, &mut Vec::new())
    }

    /// Takes the next reply and the bytes it came as.
    #[track_caller]
    pub fn raw(&mut self) -> (Resp, Vec<u8>) {
        let mut bytes = Vec::new();
        let reply = read(&mut self.stream, &mut bytes);
        let reply = reply.unwrap_or_else(|e| panic!("no reply from {}: {e}", self.address));
        (reply, bytes)
    }

    /// Takes the next reply if it begins to come before this long.
    pub fn reply_within(&mut self, limit: Duration) -> Option<Resp> {
        let stream = self.stream.get_ref();
        let _set = stream.set_read_timeout(Some(limit));
        let is_here = self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        let _set = self.stream.get_ref().set_read_timeout(Some(PATIENCE));
        is_here.then(|| self.reply())
    }

    /// Sends bytes, or says why not.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The bytes of the next reply, or why there is none.
    pub fn try_raw(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        read(&mut self.stream, &mut bytes).map(|_| bytes)
    }

    /// Says no more.
    pub fn half_close(&mut self) {
        let _gone = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
    }

    /// Whether the other side hangs up before this long; bytes that it still sends are dropped.
    pub fn closed_within(&mut self, limit: Duration) -> bool {
        let start = std::time::Instant::now();
        let mut rest = [0; 1024];
        while let Some(left) = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            let _set = self.stream.get_ref().set_read_timeout(Some(left));
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => (),
                Err(e) => return e.kind() == io::ErrorKind::ConnectionReset,
            }
        }
        false
    }

    /// A command as bytes.
    pub fn encode<A: AsRef<[u8]>>(words: &[A]) -> Vec<u8> {
        let mut out = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            let word = word.as_ref();
            out.extend(format!("${}\r\n", word.len()).bytes());
            out.extend(word);
            out.extend(b"\r\n");
        }
        out
    }
}

impl Resp {
    /// The reply that these bytes are, and how many of them it takes.
    pub fn parse(bytes: &[u8]) -> io::Result<(Self, usize)> {
        let (mut rest, mut seen) = (bytes, Vec::new());
        let reply = read(&mut rest, &mut seen)?;
        Ok((reply, seen.len()))
    }

    /// The text of a status, an error or a bulk string; empty of anything else.
    pub fn text(&self) -> String {
        match self {
            Self::Simple(text) | Self::Error(text) | Self::Number(text) => text.clone(),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer(number) => number.to_string(),
            _ => String::new(),
        }
    }

    /// The values of an aggregate; none of anything else.
    pub fn items(&self) -> &[Resp] {
        match self {
            Self::Array(items) | Self::Map(items) | Self::Set(items) | Self::Push(items) => items,
            _ => &[],
        }
    }

    /// The value behind this key of a map, or of an array that stands for one.
    pub fn get(&self, key: &str) -> Option<&Resp> {
        let mut pairs = self.items().chunks_exact(2);
        pairs.find(|pair| pair[0].text() == key).map(|pair| &pair[1])
    }
}

fn read(stream: &mut impl BufRead, seen: &mut Vec<u8>) -> io::Result<Resp> {
    let line = line(stream, seen)?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(wrong)?;
    Ok(match kind {
        "+" => Resp::Simple(rest.to_owned()),
        "-" => Resp::Error(rest.to_owned()),
        ":" => Resp::Integer(rest.parse().map_err(|_| wrong())?),
        "," | "(" => Resp::Number(rest.to_owned()),
        "#" => Resp::Boolean(rest == "t"),
        "_" => Resp::Null,
        "$" | "*" if rest == "-1" => Resp::Null,
        "$" | "=" => Resp::Bulk(text(stream, rest, seen)?),
        "!" => Resp::Error(String::from_utf8_lossy(&text(stream, rest, seen)?).into_owned()),
        "*" => Resp::Array(values(stream, rest, 1, seen)?),
        "~" => Resp::Set(values(stream, rest, 1, seen)?),
        ">" => Resp::Push(values(stream, rest, 1, seen)?),
        "%" => Resp::Map(values(stream, rest, 2, seen)?),
        "|" => {
            values(stream, rest, 2, seen)?;
            read(stream, seen)?
        }
        _ => return Err(wrong()),
    })
}

fn line(stream: &mut impl BufRead, seen: &mut Vec<u8>) -> io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    seen.extend(&line);
    let text = line.strip_suffix(b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    String::from_utf8(text.to_vec()).map_err(|_| wrong())
}

fn text(stream: &mut impl BufRead, length: &str, seen: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let length: usize = length.parse().map_err(|_| wrong())?;
    let mut text = vec![0; length + 2];
    stream.read_exact(&mut text)?;
    seen.extend(&text);
    text.truncate(length);
    Ok(text)
}

fn values(stream: &mut impl BufRead, count: &str, each: usize, seen: &mut Vec<u8>) -> io::Result<Vec<Resp>> {
    let count: usize = count.parse().map_err(|_| wrong())?;
    (0..count * each).map(|_| read(stream, seen)).collect()
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "that is no reply")
}
