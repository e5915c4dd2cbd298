//! The listener: real sockets, bounded, ends in order.

use std::net::SocketAddr;
use std::time::Duration;

use carillon_api::options::Limits;
use carillon_api::{GRACE, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::{Api, options};

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(options: Options) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let limits = options.limits;
    let router = Api::with(options).router;
    let task = tokio::spawn(carillon_api::serve(listener, router, limits, async { drop(stopped.await) }));
    Server { address, stop, task }
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn requests_are_served_and_rubbish_is_not() {
    let server = start(options()).await;
    let answer =
        exchange(server.address, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100));
    for rubbish in ["\r\n\r\n\r\nnonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{0}\u{1}\r\n\r\n", &many] {
        let answer = exchange(server.address, rubbish).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let answer =
        exchange(server.address, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204"), "others are still served: {answer}");
}

#[tokio::test]
async fn more_connections_than_places_wait_their_turn() {
    let limits = Limits { connections_max: 1, ..options().limits };
    let server = start(Options { limits, ..options() }).await;
    let holder = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let request = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let waiting = exchange(server.address, request);
    let mut waiting = std::pin::pin!(waiting);
    assert!(timeout(Duration::from_millis(200), &mut waiting).await.is_err());
    drop(holder);
    assert!(waiting.await.starts_with("HTTP/1.1 204"));
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let limits = Limits {
        head_time: Duration::from_millis(300),
        request_time: Duration::from_millis(300),
        ..options().limits
    };
    let server = start(Options { limits, ..options() }).await;
    let served = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let body = "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    for (sent, answered) in
        [("", ""), ("GET / HTTP/1.1\r\nHo", ""), (served, "HTTP/1.1 204"), (body, "HTTP/1.1 408")]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Read to the end: the server closes, though this side never does.
        let read = timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await;
        assert!(read.is_ok(), "{sent:?} is still connected");
        assert!(answer.starts_with(answered), "{sent:?} got {answer:?}");
    }
}

#[tokio::test]
async fn shutdown_ends_streams_within_the_grace_time() {
    let server = start(Options { open_live: true, ..options() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /api/v1/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 256];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    server.stop.send(()).unwrap();
    timeout(GRACE + Duration::from_secs(2), server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
