use std::net::SocketAddr;

use super::*;
use crate::media::{Codec, Remote};

const OWN: &str = "192.0.2.1:20000";

fn own() -> OwnMedia {
    OwnMedia::from(OWN.parse::<SocketAddr>().unwrap())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn answer(media: &str) -> String {
    format!("v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{media}")
}

fn read(media: &str) -> Result<Remote, SdpError> {
    read_answer(answer(media).as_bytes(), &[Codec::Pcmu, Codec::Pcma], own())
}

#[test]
fn an_offer_names_everything_a_peer_needs() {
    let offer = offer("192.0.2.1".parse().unwrap(), 20_000, &[Codec::Pcma, Codec::Pcmu], 7, 2);
    assert_eq!(
        text(offer),
        "v=0\r\no=- 7 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn an_offer_over_ipv6_says_so() {
    let offer = text(offer("2001:db8::1".parse().unwrap(), 20_000, &[Codec::Pcmu], 7, 1));
    assert!(offer.contains("c=IN IP6 2001:db8::1\r\n"), "{offer}");
}

#[test]
fn an_answer_gives_address_codec_and_event_payload() {
    let media = "m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n";
    let expected = Remote {
        address: "192.0.2.9:4000".parse().unwrap(),
        codec: Codec::Pcma,
        telephone_event: Some(96),
        send: true,
        receive: true,
    };
    assert_eq!(read(media), Ok(expected));
}

#[test]
fn the_peers_order_decides_among_ours() {
    assert_eq!(read("m=audio 4000 RTP/AVP 18 8 0\r\n").unwrap().codec, Codec::Pcma);
    let only = read_answer(answer("m=audio 4000 RTP/AVP 8 0\r\n").as_bytes(), &[Codec::Pcmu], own());
    assert_eq!(only.unwrap().codec, Codec::Pcmu);
}

#[test]
fn answers_without_use_are_refused() {
    assert_eq!(read("m=audio 0 RTP/AVP 0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read("m=video 4000 RTP/AVP 0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read("m=audio 4000 RTP/SAVP 0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read(""), Err(SdpError::NoAudio));
    assert_eq!(read("m=audio 4000 RTP/AVP 18\r\n"), Err(SdpError::NoCodec));
    assert_eq!(read("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000\r\n"), Err(SdpError::NoCodec));
    assert_eq!(read("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 media.example.com\r\n"), Err(SdpError::NoAddress));
    assert_eq!(read("m=audio 80 RTP/AVP 0\r\nc=IN IP4 169.254.169.254\r\n"), Err(SdpError::ForbiddenAddress));
    assert_eq!(read("m=audio 20000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"), Err(SdpError::ForbiddenAddress));
    assert_eq!(read("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::2\r\n"), Err(SdpError::AddressFamily));
    assert_eq!(read("m=audio 70000 RTP/AVP 0\r\n"), Err(SdpError::Malformed));
    assert_eq!(read_answer(b"hello", &[Codec::Pcmu], own()), Err(SdpError::Malformed));
}

#[test]
fn hold_is_followed_in_each_of_its_forms() {
    let both = |media: &str| read(media).map(|remote| (remote.send, remote.receive)).unwrap();
    assert_eq!(both("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"), (false, true));
    assert_eq!(both("m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n"), (true, false));
    assert_eq!(both("m=audio 4000 RTP/AVP 0\r\na=inactive\r\n"), (false, false));
    assert_eq!(both("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"), (false, true));
    // What the session level says holds for a stream that doesn't say otherwise.
    assert_eq!(both("a=inactive\r\nm=audio 4000 RTP/AVP 0\r\n"), (false, false));
    assert_eq!(both("a=inactive\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n"), (true, true));
}

#[test]
fn an_offer_is_accepted_in_its_place_and_its_numbers() {
    let offer = answer(
        "m=video 5000 RTP/AVP 31\r\na=rtpmap:31 LPC/8000\r\nm=audio 4000 RTP/AVP 18 0 8 97\r\n\
        a=rtpmap:97 telephone-event/8000\r\na=sendonly\r\nm=audio 4002 RTP/AVP 0\r\n",
    );
    let (answer, remote) =
        accept(offer.as_bytes(), &[Codec::Pcmu, Codec::Pcma], own(), 20_000, 3, 4).unwrap();
    assert_eq!(
        text(answer),
        "v=0\r\no=- 3 4 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=video 0 RTP/AVP 31\r\n\
        m=audio 20000 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\n\
        a=ptime:20\r\na=recvonly\r\n\
        m=audio 0 RTP/AVP 0\r\n"
    );
    assert_eq!((remote.codec, remote.telephone_event), (Codec::Pcmu, Some(97)));
    assert!(!remote.send && remote.receive);
}

#[test]
fn telephone_event_is_left_out_when_the_peer_has_none() {
    let (answer, remote) =
        accept(answer("m=audio 4000 RTP/AVP 0\r\n").as_bytes(), &[Codec::Pcmu], own(), 20_000, 3, 4).unwrap();
    assert_eq!(remote.telephone_event, None);
    assert!(!text(answer).contains("telephone-event"));
    // Numbers that are spoken for, unlisted or at another clock don't count.
    for map in ["0 telephone-event/8000", "96 telephone-event/8000", "101 telephone-event/16000"] {
        let media = format!("m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:{map}\r\n");
        assert_eq!(read(&media).unwrap().telephone_event, None, "{map}");
    }
}

#[test]
fn what_is_offered_is_what_is_read() {
    let offer = offer("192.0.2.9".parse().unwrap(), 30_000, &[Codec::Pcma, Codec::Pcmu], 1, 1);
    let (answer, callee) = accept(&offer, &[Codec::Pcma, Codec::Pcmu], own(), 20_000, 2, 1).unwrap();
    let caller_own = OwnMedia { address: "192.0.2.9".parse().unwrap(), ports: (30_000, 30_001) };
    let caller = read_answer(&answer, &[Codec::Pcma, Codec::Pcmu], caller_own).unwrap();
    assert_eq!(callee.address, "192.0.2.9:30000".parse().unwrap());
    assert_eq!(caller.address, OWN.parse().unwrap());
    assert_eq!((callee.codec, caller.codec), (Codec::Pcma, Codec::Pcma));
    assert_eq!((callee.telephone_event, caller.telephone_event), (Some(101), Some(101)));
}

#[test]
fn reading_is_bounded() {
    let long = answer(&"a=x\r\n".repeat(LINES_MAX));
    assert_eq!(Session::parse(long.as_bytes()), Err(SdpError::TooLarge));
    let wide = answer(&"m=audio 4000 RTP/AVP 0\r\n".repeat(MEDIA_MAX + 1));
    assert_eq!(Session::parse(wide.as_bytes()), Err(SdpError::TooLarge));
    let full = answer(&"m=audio 4000 RTP/AVP 0\r\n".repeat(MEDIA_MAX));
    assert_eq!(Session::parse(full.as_bytes()).unwrap().media.len(), MEDIA_MAX);
    assert_eq!(Session::parse(&[b'v'; SDP_LENGTH_MAX + 1]), Err(SdpError::TooLarge));
}

#[test]
fn a_cut_last_line_and_odd_octets_are_skipped() {
    let mut body = answer("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/80").into_bytes();
    assert_eq!(Session::parse(&body).unwrap().media[0].maps[0].clock_hz, 80);
    body.extend_from_slice(b"00\r\ni=\xff\xfe\r\n=\r\n\r\nx");
    assert_eq!(read_answer(&body, &[Codec::Pcmu], own()).unwrap().codec, Codec::Pcmu);
}

proptest::proptest! {
    #[test]
    fn any_octets_are_read_without_panic(body: Vec<u8>) {
        let _ = read_answer(&body, &[Codec::Pcmu], own());
    }

    #[test]
    fn any_media_lines_are_answered_without_panic(lines in "([acmbt]=[ -~]{0,40}\r?\n){0,12}") {
        let offer = answer(&lines);
        if let Ok((answer, _)) = accept(offer.as_bytes(), &[Codec::Pcmu, Codec::Pcma], own(), 20_000, 1, 1) {
            // As many streams as were offered, in the same order (RFC 3264 §6).
            let kinds = |body: &[u8]| -> Vec<String> {
                Session::parse(body).unwrap().media.into_iter().map(|stream| stream.kind).collect()
            };
            proptest::prop_assert_eq!(kinds(&answer), kinds(offer.as_bytes()));
        }
    }
}
