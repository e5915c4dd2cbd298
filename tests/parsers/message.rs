//! Whole messages, in datagrams and in streams.

use bytes::Bytes;
use carillon_sip::message::framer::{Frame, FrameError, Framer};
use carillon_sip::message::{DecodeError, HeaderName, Headers, Message, decode};

/// A datagram: every typed view can be asked for, and what was taken reads the same once it is written.
pub fn message(octets: &[u8]) {
    match decode(Bytes::copy_from_slice(octets)) {
        Ok(Message::Request(request)) => {
            look(&request.headers);
            assert!(request.headers.contacts().is_ok(), "a request's Contact was checked at the door");
            assert!(request.uri.matches(&request.uri), "a URI is itself");
            let mut answer = request.response(500, "Server Internal Error");
            answer.headers.tag_to("ours");
            if let Ok(written) = answer.to_vec() {
                again(&written, &Message::Response(answer));
            }
            if let Ok(written) = request.to_vec() {
                again(&written, &Message::Request(request));
            }
        }
        Ok(Message::Response(response)) => {
            look(&response.headers);
            if let Ok(written) = response.to_vec() {
                again(&written, &Message::Response(response));
            }
        }
        Err(DecodeError::Answer { status, skeleton, .. }) => {
            assert!((400..600).contains(&status), "{status} to what can't be read");
            assert!(skeleton.headers.contains(HeaderName::Via), "an answer needs a way back");
            if let Ok(written) = skeleton.response(status).to_vec() {
                assert!(written.starts_with(b"SIP/2.0 "));
            }
        }
        Err(DecodeError::Drop(_)) => {}
    }
}

fn look(headers: &Headers) {
    assert!(headers.vias().is_ok() && headers.via_top().is_ok());
    assert!(headers.from().is_ok() && headers.to().is_ok());
    assert!(headers.call_id().is_ok() && headers.cseq().is_ok());
    let _ = (headers.routes(), headers.record_routes(), headers.content_type(), headers.reasons());
    let _ = (headers.max_forwards(), headers.expires(), headers.min_expires(), headers.retry_after());
    let _ = (headers.require(), headers.supported(), headers.tokens(HeaderName::Allow));
}

/// What was written is read as what it was.
fn again(written: &[u8], message: &Message) {
    let read = decode(Bytes::copy_from_slice(written));
    let text = String::from_utf8_lossy(written);
    let read = read.unwrap_or_else(|error| panic!("{error:?} to what we wrote:\n{text}"));
    let (ours, theirs) = (message.headers(), read.headers());
    assert_eq!(ours.call_id(), theirs.call_id(), "{text}");
    assert_eq!(ours.cseq(), theirs.cseq(), "{text}");
    assert_eq!(ours.vias().map(|vias| vias.len()), theirs.vias().map(|vias| vias.len()), "{text}");
    let tags = |headers: &Headers| {
        [headers.from(), headers.to()]
            .map(|party| party.ok().and_then(|party| party.tag().map(str::to_owned)))
    };
    assert_eq!(tags(ours), tags(theirs), "{text}");
    match (message, &read) {
        (Message::Request(ours), Message::Request(theirs)) => {
            assert_eq!((&ours.method, ours.uri.raw()), (&theirs.method, theirs.uri.raw()), "{text}");
            assert_eq!(ours.body, theirs.body, "{text}");
        }
        (Message::Response(ours), Message::Response(theirs)) => {
            assert_eq!((ours.status, &ours.body), (theirs.status, &theirs.body), "{text}");
        }
        (Message::Request(_), Message::Response(_)) | (Message::Response(_), Message::Request(_)) => {
            panic!("it has become another kind:\n{text}")
        }
    }
}

/// A stream: it falls into the same messages however its octets arrive.
pub fn framer(octets: &[u8]) {
    let whole = cut(std::iter::once(octets));
    assert_eq!(whole, cut(octets.chunks(1)), "octet by octet");
    let split = octets.first().map_or(1, |first| usize::from(*first).max(1));
    assert_eq!(whole, cut(octets.chunks(split)), "in pieces of {split}");
}

/// The frames of a stream up to its fault, and the fault. How much of a stream beyond the limit came before it was given up
/// is the pieces' doing.
fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<FrameError>) {
    let (mut framer, mut frames) = (Framer::default(), Vec::new());
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.take() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}
