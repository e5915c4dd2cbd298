//! The one I/O room: sockets, the RTP thread, the recorder thread, the DNS thread, the signing thread, the capture thread, prompt files.

mod connection;
pub mod hep;
pub mod media;
mod pairs;
pub mod recorder;
pub mod resolve;
pub mod signer;
pub mod signing;
pub mod streams;
pub mod tls;
pub mod udp;
pub mod verifier;
pub mod wav;
pub mod websocket;

#[cfg(test)]
mod testing;
