//! The one I/O room: sockets, the RTP thread, the recorder thread, prompt files.

pub mod media;
mod pairs;
pub mod recorder;
pub mod tcp;
pub mod udp;
pub mod wav;

#[cfg(test)]
mod testing;
