//! What follows from an offer and its answer (RFC 3264).

use super::address::OwnMedia;
use super::parse::{Session, Stream};
use super::{SdpError, write};
use crate::media::{Codec, Remote};

/// Reads the answer to our offer of one audio stream with the codecs `offered`.
///
/// Fails when the peer refused the stream, answered with nothing we offered, or names an address media must not be
/// sent to. An unspecified address (`0.0.0.0`, the hold of RFC 2543) is no failure: `send` is off then.
pub fn read_answer(answer: &[u8], offered: &[Codec], own: OwnMedia) -> Result<Remote, SdpError> {
    let session = Session::parse(answer)?;
    // RFC 3264 §6: streams are matched by position, and we offered one.
    let stream = session.media.first().filter(|stream| is_usable(stream)).ok_or(SdpError::NoAudio)?;
    remote(stream, offered, own)
}

/// Answers an offer with our audio stream in the place of the first usable one; all others are refused.
///
/// `codecs` are those we'd take, `local_port` our RTP port. The offerer's order of codecs decides. `session_id` and
/// `version` as for [`super::offer`].
pub fn accept(
    offer: &[u8],
    codecs: &[Codec],
    own: OwnMedia,
    local_port: u16,
    session_id: u64,
    version: u64,
) -> Result<(Vec<u8>, Remote), SdpError> {
    let session = Session::parse(offer)?;
    let place = session.media.iter().position(is_usable).ok_or(SdpError::NoAudio)?;
    let mut out = write::head(own.address, session_id, version);
    let mut taken = None;
    for (index, stream) in session.media.iter().enumerate() {
        if index == place {
            let remote = remote(stream, codecs, own)?;
            let direction = stream.direction.mirrored();
            // RFC 3264 §6.1: payload numbers of the offer are kept.
            write::audio(&mut out, local_port, &[remote.codec], remote.telephone_event, direction);
            taken = Some(remote);
        } else {
            write::refused(&mut out, stream);
        }
    }
    taken.map(|remote| (out.into_bytes(), remote)).ok_or(SdpError::NoAudio)
}

fn is_usable(stream: &Stream) -> bool {
    // RTP/AVPF without feedback attributes is plain RTP to us; SAVP would need keys.
    stream.kind == "audio" && stream.port != 0 && matches!(stream.protocol.as_str(), "RTP/AVP" | "RTP/AVPF")
}

fn remote(stream: &Stream, codecs: &[Codec], own: OwnMedia) -> Result<Remote, SdpError> {
    let address = own.check(stream.address.ok_or(SdpError::NoAddress)?, stream.port)?;
    // RFC 3264 §6.1: the peer lists its favourite first.
    let codec = stream
        .formats
        .iter()
        .filter_map(|format| known_codec(stream, format))
        .find(|codec| codecs.contains(codec))
        .ok_or(SdpError::NoCodec)?;
    // RFC 3264 §8.4: nothing is sent to an unspecified address.
    let send = stream.direction.receives() && !address.ip().is_unspecified();
    Ok(Remote {
        address,
        codec,
        telephone_event: telephone_event(stream),
        send,
        receive: stream.direction.sends(),
    })
}

/// The codec of a static payload type, unless its rtpmap says it is something else.
fn known_codec(stream: &Stream, format: &str) -> Option<Codec> {
    let codec =
        [Codec::Pcmu, Codec::Pcma].into_iter().find(|codec| format == write::payload(*codec).to_string())?;
    let payload = write::payload(codec);
    let contradicted = stream.maps.iter().any(|map| {
        map.payload == payload && (map.encoding != write::encoding(codec) || map.clock_hz != 8000)
    });
    (!contradicted).then_some(codec)
}

/// Payload type of telephone-event at 8 kHz; only one that is listed as a format and free for dynamic use (RFC 3551 §6).
fn telephone_event(stream: &Stream) -> Option<u8> {
    stream.maps.iter().find_map(|map| {
        let listed = stream.formats.iter().any(|format| *format == map.payload.to_string());
        let free = matches!(map.payload, 35..=71 | 77..=127);
        (map.encoding == "TELEPHONE-EVENT" && map.clock_hz == 8000 && listed && free).then_some(map.payload)
    })
}
