//! Services that sign who calls: a thread of its own that asks them over HTTP (ATIS-1000082), so that the engine's thread never waits.
//!
//! A request is one POST over a connection that is kept for the next one. Redirections are not followed. What comes back is
//! taken only where it is signed for the numbers that were asked for.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::tls::{TlsError, https_config};
use crate::passport::{Claims, SignFault, SignRequest, SigningService, claims_text, is_identity};

/// Requests that may wait for the thread.
pub const REQUESTS_MAX: usize = 1_024;
/// Requests that services work on at once.
pub const AT_ONCE_MAX: usize = 64;
/// Connections of a service that are kept for later.
pub const IDLE_MAX: usize = 16;
/// Largest answer, in octets.
pub const ANSWER_OCTETS_MAX: usize = 16_384;
/// Most of what a service says that goes into a fault, in characters.
const TEXT_MAX: usize = 200;

/// Hears the answers. Called on the thread: it must not block for long.
pub type Answers = Arc<dyn Fn(SignRequest, Result<String, SignFault>) + Send + Sync>;

/// A service can't be asked.
#[derive(Debug, Error)]
pub enum SignerError {
    /// Its address is none.
    #[error("must be like \"https://sti-as.example/stir/v1/signing\", or http:// on this machine alone")]
    Url,
    /// Its token can't be written.
    #[error("must have visible ASCII characters alone")]
    Token,
    /// Its authorities can't be read.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The system gives no thread.
    #[error("signing thread: {0}")]
    System(#[from] io::Error),
}

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub struct SignerHandle {
    requests: mpsc::Sender<(Instant, SignRequest)>,
}

impl SignerHandle {
    /// Puts a request. False where so many wait that this one can't; it has no answer then.
    pub fn ask(&self, request: SignRequest) -> bool {
        self.requests.try_send((Instant::now(), request)).is_ok()
    }
}

/// Whether this may be a service's address.
///
/// # Errors
/// [`SignerError::Url`] where not.
pub fn check_url(url: &str) -> Result<(), SignerError> {
    Place::read(url).map(drop)
}

/// Whether a file has authorities that can be believed.
///
/// # Errors
/// Where it can't be read, or holds none.
pub fn check_ca(file: &Path) -> Result<(), SignerError> {
    https_config(Some(file)).map(drop).map_err(SignerError::Tls)
}

/// Starts the thread. Services go by the place of their trunk, as requests name it.
///
/// # Errors
/// Where a service can't be asked, or the system gives no thread.
pub fn spawn(
    services: BTreeMap<usize, SigningService>,
    answers: Answers,
) -> Result<SignerHandle, SignerError> {
    let mut known = BTreeMap::new();
    for (trunk, service) in services {
        known.insert(trunk, Arc::new(Service::new(service)?));
    }
    let (requests, waiting) = mpsc::channel(REQUESTS_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = move || runtime.block_on(serve(known, waiting, answers));
    std::thread::Builder::new().name("signer".into()).spawn(serve)?;
    Ok(SignerHandle { requests })
}

async fn serve(
    services: BTreeMap<usize, Arc<Service>>,
    mut waiting: mpsc::Receiver<(Instant, SignRequest)>,
    answers: Answers,
) {
    let mut under_way = JoinSet::new();
    while let Some((asked_at, request)) = waiting.recv().await {
        while under_way.len() >= AT_ONCE_MAX {
            under_way.join_next().await;
        }
        // Those that are done are let go of.
        while under_way.try_join_next().is_some() {}
        let (service, answers) = (services.get(&request.trunk).cloned(), Arc::clone(&answers));
        under_way.spawn(async move {
            let answer = match service {
                Some(service) => {
                    // What it waited for the thread counts.
                    let until = asked_at + service.options.timeout;
                    let answer = tokio::time::timeout_at(until.into(), service.sign(&request.claims)).await;
                    answer.unwrap_or(Err(SignFault::Timeout))
                }
                None => Err(SignFault::Unreachable("the trunk has no service".into())),
            };
            answers(request, answer);
        });
    }
}

/// Where a service is.
#[derive(Debug)]
struct Place {
    uri: Uri,
    host: String,
    port: u16,
    secure: bool,
}

impl Place {
    fn read(url: &str) -> Result<Self, SignerError> {
        let uri: Uri = url.parse().map_err(|_| SignerError::Url)?;
        let host = uri.host().ok_or(SignerError::Url)?.to_owned();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let here = bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let secure = match uri.scheme_str() {
            Some("https") => true,
            // A token, and who is called, are nobody else's matter.
            Some("http") if here => false,
            Some(_) | None => return Err(SignerError::Url),
        };
        let named = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if named {
            return Err(SignerError::Url);
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { uri, host: bare, port, secure })
    }
}

type Connection = SendRequest<Full<Bytes>>;

struct Service {
    options: SigningService,
    place: Place,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Connection>>,
}

impl Service {
    fn new(options: SigningService) -> Result<Self, SignerError> {
        let place = Place::read(&options.url)?;
        let authority = place.uri.authority().ok_or(SignerError::Url)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| SignerError::Url)?;
        let authorization = match options.token.expose() {
            "" => None,
            token => {
                let value = HeaderValue::from_str(&format!("Bearer {token}"));
                let mut value = value.map_err(|_| SignerError::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let tls = match place.secure {
            true => {
                let name = ServerName::try_from(place.host.clone()).map_err(|_| SignerError::Url)?;
                Some((TlsConnector::from(https_config(options.ca.as_deref())?), name))
            }
            false => None,
        };
        Ok(Self { options, place, host, authorization, tls, idle: Mutex::default() })
    }

    async fn sign(&self, claims: &Claims) -> Result<String, SignFault> {
        let body = Bytes::from(format!(r#"{{"signingRequest":{}}}"#, claims.json()));
        let (status, answer) = match self.kept() {
            // The service may have closed it just now, or it broke: anew, once. To sign twice harms nobody.
            Some(kept) => match self.exchange(kept, body.clone()).await {
                Ok(answer) => answer,
                Err(fault) if !matches!(fault, SignFault::Unreachable(_)) => return Err(fault),
                Err(_) => self.exchange(self.connect().await?, body).await?,
            },
            None => self.exchange(self.connect().await?, body).await?,
        };
        identity(status, &answer, claims)
    }

    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Ends: each round takes one away.
        while let Some(connection) = idle.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self) -> Result<Connection, SignFault> {
        let unreachable = |error: &dyn std::fmt::Display| SignFault::Unreachable(error.to_string());
        let stream = TcpStream::connect((self.place.host.as_str(), self.place.port)).await;
        let stream = stream.map_err(|error| unreachable(&error))?;
        // One small message each way: nothing to gather.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|it| unreachable(&it))?;
                let (connection, driver) =
                    handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
                tokio::spawn(driver);
                Ok(connection)
            }
            None => {
                let (connection, driver) =
                    handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
                tokio::spawn(driver);
                Ok(connection)
            }
        }
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), SignFault> {
        let broken = |error: &dyn std::fmt::Display| SignFault::Unreachable(error.to_string());
        let path = self.place.uri.path_and_query().map_or("/", |path| path.as_str());
        let json = HeaderValue::from_static("application/json");
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, json.clone())
            .header(ACCEPT, json);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = request.body(Full::new(body)).map_err(|error| broken(&error))?;
        let response = connection.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_OCTETS_MAX).collect().await;
        let body =
            body.map_err(|_| SignFault::Answer("more than fits, or less than it promised"))?.to_bytes();
        // A moment later it can take another request, unless the service closes it.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        drop(idle);
        Ok((status, body))
    }
}

/// What the service signed, if that is what it was asked for.
fn identity(status: StatusCode, answer: &[u8], claims: &Claims) -> Result<String, SignFault> {
    let json: Option<Value> = serde_json::from_slice(answer).ok();
    if status != StatusCode::OK {
        // ATIS-1000082 §5.3: requestError with a serviceException or policyException.
        let error = json.as_ref().and_then(|json| json.get("requestError"));
        let exception =
            error.and_then(|error| error.get("serviceException").or_else(|| error.get("policyException")));
        let word = |name| exception.and_then(|it| it.get(name)).and_then(Value::as_str);
        let text = match (word("messageId"), word("text")) {
            (Some(id), Some(text)) => format!("{id} {text}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => "no reason".to_owned(),
        };
        let text = text.chars().filter(|letter| !letter.is_control()).take(TEXT_MAX).collect();
        return Err(SignFault::Refused { status: status.as_u16(), text });
    }
    let json = json.ok_or(SignFault::Answer("no JSON"))?;
    let identity = json.get("signingResponse").and_then(|it| it.get("identity")).and_then(Value::as_str);
    let identity = identity.ok_or(SignFault::Answer("no identity"))?;
    if !is_identity(identity) {
        return Err(SignFault::Answer("an identity that is no PASSporT of kind shaken"));
    }
    // Another call's signature would make this one look false, and is not ours to show.
    let signed: Option<Value> = claims_text(identity).and_then(|text| serde_json::from_slice(&text).ok());
    let signed = signed.ok_or(SignFault::Answer("a PASSporT without claims"))?;
    let orig = signed.pointer("/orig/tn").and_then(Value::as_str);
    let dest = signed.pointer("/dest/tn").and_then(Value::as_array);
    let dest = dest.and_then(|all| if let [Value::String(one)] = all.as_slice() { Some(one) } else { None });
    if orig != Some(claims.orig.as_str()) || dest != Some(&claims.dest) {
        return Err(SignFault::Answer("a PASSporT for other numbers"));
    }
    let issued_at = signed.get("iat").and_then(Value::as_i64);
    // RFC 8224 §6.2: whoever verifies takes no older one.
    if issued_at.is_none_or(|at| at.abs_diff(claims.issued_at) > IAT_APART_MAX_S) {
        return Err(SignFault::Answer("a PASSporT of another time"));
    }
    Ok(identity.to_owned())
}

/// How far the service's clock may be from ours, in seconds (RFC 8224 §6.2 lets whoever verifies take 60).
const IAT_APART_MAX_S: u64 = 30;

/// Asks a service once, and waits; for whoever has no engine. The time that it took, too.
///
/// # Errors
/// Why it can't be asked, or did not sign.
pub fn ask_once(service: SigningService, claims: Claims) -> Result<(String, Duration), String> {
    let (sender, answers) = std::sync::mpsc::channel();
    let tell = move |_, answer| drop(sender.send(answer));
    let patience = service.timeout + Duration::from_secs(1);
    let handle = spawn([(0, service)].into(), Arc::new(tell)).map_err(|error| error.to_string())?;
    let began = Instant::now();
    handle.ask(SignRequest { call: crate::id::CallId(0), trunk: 0, claims });
    let answer = answers.recv_timeout(patience).map_err(|_| SignFault::Timeout.to_string())?;
    answer.map(|identity| (identity, began.elapsed())).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests;
