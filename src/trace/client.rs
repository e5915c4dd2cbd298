//! Asking a running service: a few requests over plain HTTP, as the API speaks it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use carillon_core::ladder::Ladder;
use serde_json::{Value, json};

/// Longest wait for the service to be there, and for each piece of its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read; a ladder has some 20,000 octets at most.
const ANSWER_MAX: u64 = 1 << 20;

/// How somebody shows who they are.
#[derive(Clone)]
pub enum Pass {
    /// The token of a session.
    Token(String),
    /// Name and password: a session is opened, and closed again.
    Password {
        /// Name at sign-in.
        user: String,
        /// Password.
        password: String,
    },
}

/// Why a service gave no ladder.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Not an address that can be asked.
    #[error("{0}")]
    Address(String),
    /// It keeps none of this call.
    #[error("the service keeps no ladder of it")]
    Unknown,
    /// It did not answer, or not as the service does.
    #[error("{0}")]
    Silent(String),
    /// It does not let us.
    #[error("{0}")]
    Refused(String),
}

/// Where the service's API is.
pub struct Service {
    host: String,
    address: SocketAddr,
}

impl Service {
    /// The service at `http://HOST[:PORT]`.
    pub fn at_url(url: &str) -> Result<Self, AskError> {
        let Some(rest) = url.strip_prefix("http://") else {
            let why = format!("{url}: must begin with http://; the service itself speaks plain HTTP");
            return Err(AskError::Address(why));
        };
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return Err(AskError::Address(format!("{url}: must be like http://127.0.0.1:8080")));
        }
        let port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let full = if port { host.to_owned() } else { format!("{host}:80") };
        let mut found =
            full.to_socket_addrs().map_err(|error| AskError::Address(format!("{url}: {error}")))?;
        let address = found.next().ok_or_else(|| AskError::Address(format!("{url}: no address")))?;
        Ok(Self { host: host.to_owned(), address })
    }

    /// The service that listens here; on this machine where it listens everywhere.
    pub fn listening(address: SocketAddr) -> Self {
        let mut address = address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                std::net::Ipv4Addr::LOCALHOST.into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        Self { host: address.to_string(), address }
    }

    /// The ladder of a call.
    pub fn ladder(&self, call: &str, pass: &Pass) -> Result<Ladder, AskError> {
        let (token, opened) = match pass {
            Pass::Token(token) => (token.clone(), false),
            Pass::Password { user, password } => (self.sign_in(user, password)?, true),
        };
        let asked = self.ask("GET", &format!("/api/v1/calls/{}/ladder", escaped(call)), &token, None);
        if opened {
            // It ends by itself too.
            let _ = self.ask("DELETE", "/api/v1/sessions", &token, None);
        }
        let (status, body) = asked?;
        match status {
            200 => serde_json::from_value(body)
                .map_err(|error| AskError::Silent(format!("{}: not a ladder: {error}", self.host))),
            404 => Err(AskError::Unknown),
            _ => Err(self.refusal(status, &body)),
        }
    }

    fn sign_in(&self, user: &str, password: &str) -> Result<String, AskError> {
        let body = json!({"user": user, "password": password});
        let (status, answer) = self.ask("POST", "/api/v1/sessions", "", Some(&body))?;
        match answer["token"].as_str() {
            Some(token) if status == 201 => Ok(token.to_owned()),
            Some(_) | None => Err(self.refusal(status, &answer)),
        }
    }

    fn refusal(&self, status: u16, body: &Value) -> AskError {
        let detail = body["detail"].as_str().unwrap_or("no reason given");
        let text = format!("{} answers {status}: {detail}", self.host);
        if matches!(status, 401 | 403 | 429) { AskError::Refused(text) } else { AskError::Silent(text) }
    }

    /// One request over a connection of its own.
    fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), AskError> {
        let silent = |error: std::io::Error| AskError::Silent(format!("{}: {error}", self.host));
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).map_err(silent)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(silent)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(silent)?;
        // Of version 1.0: answered in one piece, and then the connection ends.
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n", self.host);
        if !token.is_empty() {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            let length = body.len();
            request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).map_err(silent)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).map_err(silent)?;
        read(&answer).ok_or_else(|| AskError::Silent(format!("{} is no Carillon service", self.host)))
    }
}

/// Status and JSON of an answer; `Null` where its body is none.
fn read(answer: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

/// As one segment of a path (RFC 3986 §3.3): all but unreserved characters are escaped.
fn escaped(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for octet in segment.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.~".contains(&octet) {
            text.push(char::from(octet));
        } else {
            text.push_str(&format!("%{octet:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_services_can_be_asked() {
        assert_eq!(Service::at_url("http://127.0.0.1:8080/").unwrap().address.port(), 8080);
        assert_eq!(Service::at_url("http://127.0.0.1").unwrap().address.port(), 80);
        for wrong in ["https://127.0.0.1", "127.0.0.1:8080", "http://", "http://127.0.0.1/api", "http://a@b"]
        {
            assert!(matches!(Service::at_url(wrong), Err(AskError::Address(_))), "{wrong}");
        }
        assert_eq!(Service::listening("0.0.0.0:8080".parse().unwrap()).host, "127.0.0.1:8080");
        assert_eq!(Service::listening("[::]:80".parse().unwrap()).host, "[::1]:80");
    }

    #[test]
    fn answers_are_read_and_call_ids_escaped() {
        assert_eq!(read(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"a\":1}"), Some((200, json!({"a": 1}))));
        assert_eq!(read(b"HTTP/1.1 404 Not Found\r\n\r\n"), Some((404, Value::Null)));
        for wrong in ["", "SIP/2.0 200 OK\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 200 OK"] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(escaped("a/b c@192.0.2.1%"), "a%2Fb%20c%40192.0.2.1%25");
    }
}
