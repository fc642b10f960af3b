use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::{Target, sasl};

/// A PostgreSQL client made by hand, which can send what no driver would. It blocks, speaks plain
/// TCP, and gives up on a silent peer after ten seconds.
#[derive(Debug)]
pub struct RawClient {
    socket: TcpStream,
    /// `ParameterStatus` as reported last.
    pub parameters: BTreeMap<String, String>,
    /// Process id and secret of `BackendKeyData`.
    pub key: Option<(i32, Vec<u8>)>,
}

/// One message of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

/// All messages up to and with `ReadyForQuery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The messages, asynchronous ones included.
    pub frames: Vec<Frame>,
}

impl RawClient {
    /// Connects to an address and says nothing.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address);
        let socket = socket.unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"));
        let _best_effort = socket.set_nodelay(true);
        let mut client = Self {
            socket,
            parameters: BTreeMap::new(),
            key: None,
        };
        client.patience(Duration::from_secs(10));
        client
    }

    /// Connects, logs in, and waits for the first `ReadyForQuery`.
    #[track_caller]
    pub fn connect(target: &Target) -> Self {
        let refused = |frame: Frame| panic!("refused: {:?}", frame.fields());
        Self::try_connect(target).unwrap_or_else(refused)
    }

    /// Connects and logs in; gives the `ErrorResponse` when refused.
    #[track_caller]
    pub fn try_connect(target: &Target) -> Result<Self, Frame> {
        Self::try_connect_with(target, &[])
    }

    /// As [`RawClient::try_connect`], with more start-up parameters.
    #[track_caller]
    pub fn try_connect_with(target: &Target, more: &[(&str, &str)]) -> Result<Self, Frame> {
        let address = format!("{}:{}", target.host, target.port);
        let address = address
            .parse()
            .unwrap_or_else(|_| panic!("the raw client wants an IP address, not {address}"));
        let mut client = Self::open(address);
        let mut parameters = vec![("user", target.user.as_str())];
        parameters.push(("database", &target.database));
        parameters.extend_from_slice(more);
        client.send(&message::startup(message::PROTOCOL_3_0, &parameters));
        client.log_in(target)?;
        let reply = client.reply();
        reply.error().map_or(Ok(client), Err)
    }

    /// Answers authentication requests up to `AuthenticationOk`.
    pub fn log_in(&mut self, target: &Target) -> Result<(), Frame> {
        sasl::log_in(self, &target.user, &target.password)
    }

    /// How long a read waits.
    pub fn patience(&mut self, limit: Duration) {
        let set = self.socket.set_read_timeout(Some(limit));
        set.unwrap_or_else(|e| panic!("cannot set a timeout: {e}"));
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let sent = self.try_send(bytes);
        sent.unwrap_or_else(|e| panic!("cannot send: {e}"));
    }

    /// Sends bytes as they are.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Reads one raw byte: the answer to an `SSLRequest`.
    #[track_caller]
    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        let read = self.socket.read_exact(&mut byte);
        read.unwrap_or_else(|e| panic!("no byte came: {e}"));
        byte[0]
    }

    /// Reads one message.
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        let frame = self.try_frame();
        frame.unwrap_or_else(|e| panic!("no message came: {e}"))
    }

    /// Reads one message.
    pub fn try_frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 5];
        self.socket.read_exact(&mut head)?;
        let [tag, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        let length = length
            .checked_sub(4)
            .ok_or_else(|| io::Error::other(format!("length {length} of `{}`", char::from(tag))))?;
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body)?;
        let frame = Frame { tag, body };
        self.note(&frame);
        Ok(frame)
    }

    /// Reads up to and with the next message of this type.
    #[track_caller]
    pub fn until(&mut self, tag: u8) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame();
            let found = frame.tag == tag;
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    /// Reads up to and with `ReadyForQuery`, or a FATAL error, behind which nothing comes.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame();
            let last = frame.tag == b'Z' || (frame.tag == b'E' && frame.field('V') == "FATAL");
            frames.push(frame);
            if last {
                return Reply { frames };
            }
        }
    }

    /// Sends a simple query and reads its reply.
    #[track_caller]
    pub fn query(&mut self, sql: &str) -> Reply {
        self.send(&message::query(sql));
        self.reply()
    }

    /// The cancel request for this session.
    #[track_caller]
    pub fn cancel_request(&self) -> Vec<u8> {
        let Some((pid, secret)) = &self.key else {
            panic!("the server sent no BackendKeyData");
        };
        message::cancel(*pid, secret)
    }

    /// Whether the peer has closed: true after an end or a reset, false after a silence.
    pub fn closed_within(&mut self, limit: Duration) -> bool {
        self.patience(limit);
        match self.socket.read(&mut [0]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(e) => !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }

    /// Closes the sending half.
    pub fn half_close(&self) {
        let _gone = self.socket.shutdown(Shutdown::Write);
    }

    /// Closes with a reset.
    pub fn reset(self) {
        let _best_effort = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    /// Sends Terminate and closes.
    pub fn terminate(mut self) {
        let _gone = self.try_send(&message::terminate());
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn note(&mut self, frame: &Frame) {
        match frame.tag {
            b'S' => {
                let mut words = frame.body.split(|byte| *byte == 0).map(text);
                if let (Some(name), Some(value)) = (words.next(), words.next()) {
                    self.parameters.insert(name, value);
                }
            }
            b'K' => {
                if let Some((pid, secret)) = frame.body.split_first_chunk() {
                    self.key = Some((i32::from_be_bytes(*pid), secret.to_vec()));
                }
            }
            _ => {}
        }
    }
}

impl Frame {
    /// The message as it came.
    pub fn bytes(&self) -> Vec<u8> {
        message::frame(self.tag, &self.body)
    }

    /// The fields of an `ErrorResponse` or `NoticeResponse`.
    pub fn fields(&self) -> BTreeMap<char, String> {
        let fields = self.body.split(|byte| *byte == 0);
        fields
            .filter_map(|field| {
                let (code, value) = field.split_first()?;
                Some((char::from(*code), text(value)))
            })
            .collect()
    }

    /// One field of an `ErrorResponse` or `NoticeResponse`; empty when it is missing.
    pub fn field(&self, code: char) -> String {
        self.fields().remove(&code).unwrap_or_default()
    }

    /// The SQLSTATE of an `ErrorResponse`.
    pub fn sqlstate(&self) -> String {
        self.field('C')
    }

    /// The columns of a `DataRow`.
    pub fn columns(&self) -> Vec<Option<Vec<u8>>> {
        assert_eq!(self.tag, b'D', "only a DataRow has columns");
        let mut rest = self.body.get(2..).unwrap_or_default();
        let mut columns = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (column, after) = after.split_at(length.unwrap_or(0));
            columns.push(length.map(|_| column.to_vec()));
            rest = after;
        }
        columns
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", char::from(self.tag), self.body.escape_ascii())
    }
}

impl Reply {
    /// The type bytes, in order, as text.
    pub fn tags(&self) -> String {
        self.frames.iter().map(|frame| char::from(frame.tag)).collect()
    }

    /// The first `ErrorResponse`.
    pub fn error(&self) -> Option<Frame> {
        self.frames.iter().find(|frame| frame.tag == b'E').cloned()
    }

    /// The SQLSTATE of the first `ErrorResponse`; empty when there is none.
    pub fn sqlstate(&self) -> String {
        self.error().map(|frame| frame.sqlstate()).unwrap_or_default()
    }

    /// All rows as text; NULL is an empty text.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.frames.iter().filter(|frame| frame.tag == b'D');
        rows.map(|row| {
            row.columns()
                .iter()
                .map(|c| text(c.as_deref().unwrap_or_default()))
                .collect()
        })
        .collect()
    }

    /// The first column of the first row.
    #[track_caller]
    pub fn value(&self) -> String {
        let value = self.rows().first().and_then(|row| row.first().cloned());
        value.unwrap_or_else(|| panic!("no row in {self:?}"))
    }

    /// The transaction status of `ReadyForQuery`.
    pub fn status(&self) -> Option<char> {
        let last = self.frames.last().filter(|frame| frame.tag == b'Z')?;
        last.body.first().map(|byte| char::from(*byte))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Messages of a client, as bytes (PostgreSQL protocol 55.7).
pub mod message {
    /// The version number of protocol 3.0.
    pub const PROTOCOL_3_0: u32 = 3 << 16;
    /// The version number of protocol 3.2.
    pub const PROTOCOL_3_2: u32 = (3 << 16) + 2;

    /// A message with any type byte and body.
    pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend(untagged(body));
        bytes
    }

    /// `StartupMessage`.
    pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        for (name, value) in parameters {
            body.extend(cstr(name));
            body.extend(cstr(value));
        }
        body.push(0);
        untagged(&body)
    }

    /// `SSLRequest`.
    pub fn ssl_request() -> Vec<u8> {
        untagged(&80_877_103_u32.to_be_bytes())
    }

    /// `GSSENCRequest`.
    pub fn gssenc_request() -> Vec<u8> {
        untagged(&80_877_104_u32.to_be_bytes())
    }

    /// `CancelRequest`.
    pub fn cancel(pid: i32, secret: &[u8]) -> Vec<u8> {
        let mut body = 80_877_102_u32.to_be_bytes().to_vec();
        body.extend(pid.to_be_bytes());
        body.extend(secret);
        untagged(&body)
    }

    /// `Query`.
    pub fn query(sql: &str) -> Vec<u8> {
        frame(b'Q', &cstr(sql))
    }

    /// `Parse` without parameter types.
    pub fn parse(name: &str, sql: &str) -> Vec<u8> {
        let body = [cstr(name), cstr(sql), vec![0, 0]].concat();
        frame(b'P', &body)
    }

    /// `Bind` with text parameters (`None` is NULL) and text results.
    pub fn bind(portal: &str, statement: &str, parameters: &[Option<&str>]) -> Vec<u8> {
        let mut body = [cstr(portal), cstr(statement), vec![0, 0]].concat();
        body.extend(short(parameters.len()));
        for parameter in parameters {
            match parameter {
                Some(value) => {
                    body.extend(long(value.len()));
                    body.extend(value.as_bytes());
                }
                None => body.extend((-1_i32).to_be_bytes()),
            }
        }
        body.extend([0, 0]);
        frame(b'B', &body)
    }

    /// `Describe` of a statement (`S`) or portal (`P`).
    pub fn describe(kind: u8, name: &str) -> Vec<u8> {
        frame(b'D', &[vec![kind], cstr(name)].concat())
    }

    /// `Execute`, at most `rows` rows; 0 is all.
    pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
        frame(b'E', &[cstr(portal), rows.to_be_bytes().to_vec()].concat())
    }

    /// `Close` of a statement (`S`) or portal (`P`).
    pub fn close(kind: u8, name: &str) -> Vec<u8> {
        frame(b'C', &[vec![kind], cstr(name)].concat())
    }

    /// `Sync`.
    pub fn sync() -> Vec<u8> {
        frame(b'S', &[])
    }

    /// `Flush`.
    pub fn flush() -> Vec<u8> {
        frame(b'H', &[])
    }

    /// `Terminate`.
    pub fn terminate() -> Vec<u8> {
        frame(b'X', &[])
    }

    /// `CopyData`.
    pub fn copy_data(data: &[u8]) -> Vec<u8> {
        frame(b'd', data)
    }

    /// `CopyDone`.
    pub fn copy_done() -> Vec<u8> {
        frame(b'c', &[])
    }

    /// `CopyFail`.
    pub fn copy_fail(reason: &str) -> Vec<u8> {
        frame(b'f', &cstr(reason))
    }

    /// `PasswordMessage`.
    pub fn password(password: &str) -> Vec<u8> {
        frame(b'p', &cstr(password))
    }

    /// `SASLInitialResponse`.
    pub fn sasl_initial(mechanism: &str, response: &[u8]) -> Vec<u8> {
        let length = long(response.len()).to_vec();
        frame(b'p', &[cstr(mechanism), length, response.to_vec()].concat())
    }

    /// `SASLResponse`.
    pub fn sasl(response: &[u8]) -> Vec<u8> {
        frame(b'p', response)
    }

    fn untagged(body: &[u8]) -> Vec<u8> {
        let mut bytes = long(body.len() + 4).to_vec();
        bytes.extend(body);
        bytes
    }

    fn cstr(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        bytes
    }

    fn short(number: usize) -> [u8; 2] {
        let number = u16::try_from(number);
        number.unwrap_or_else(|_| panic!("too many")).to_be_bytes()
    }

    fn long(number: usize) -> [u8; 4] {
        let number = u32::try_from(number);
        number.unwrap_or_else(|_| panic!("too long")).to_be_bytes()
    }
}
