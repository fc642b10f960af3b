use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Settings;

/// The admin API of a running gateway, asked without a library.
#[derive(Clone, Debug)]
pub struct Admin {
    address: SocketAddr,
    token: String,
}

impl Admin {
    /// That of the gateway with these settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            address: settings.admin_address(),
            token: settings.admin_token().to_owned(),
        }
    }

    /// Status and body of a `GET` with the token.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = self.try_get(path);
        answer.unwrap_or_else(|e| panic!("no answer from the admin API at {}: {e}", self.address))
    }

    /// The status alone.
    #[track_caller]
    pub fn status(&self, path: &str) -> u16 {
        self.get(path).0
    }

    /// The body of a `GET` that succeeds.
    #[track_caller]
    pub fn body(&self, path: &str) -> String {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The sum of a metric's samples whose labels hold all of these, such as `kind="protocol"`; 0 when there is none.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.body("/metrics"), name, labels)
    }

    fn try_get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: tidegate\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            self.token
        )?;
        let mut text = String::new();
        socket.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("no status line: {text}")))?;
        Ok((status, body.to_owned()))
    }
}

/// Adds up samples of the Prometheus text format.
fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = text.lines().filter_map(|line| line.strip_prefix(name));
    let samples = of_name.filter(|rest| rest.starts_with(['{', ' ']));
    let wanted = samples.filter(|rest| labels.iter().all(|label| rest.contains(label)));
    let values = wanted.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_what_is_asked_for() {
        let text = "# HELP a help\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\na_b 7\nc 5\n";
        let check = |name: &str, labels: &[&str], expected: f64| {
            assert!(
                (sum(text, name, labels) - expected).abs() < f64::EPSILON,
                "{name} {labels:?}"
            );
        };
        check("a", &["x=\"1\""], 7.0);
        check("a", &["y=\"3\""], 4.0);
        check("a_b", &[], 7.0);
        check("c", &[], 5.0);
        check("d", &[], 0.0);
    }
}
