//! SIP wire codec: an INVITE of 800 octets as a carrier's session border controller sends it.
//!
//! `decode` checks everything a decoded message promises; `decode_encode` starts from the octets of a receive
//! buffer and ends in a send buffer; `decode_views_encode` reads Via, From, To, CSeq and Contact as well; `decode_typed` reads
//! every header that the stack uses. Decoding typed and encoding are set against their limits at the end.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use carillon_sip::message::{HeaderName, Message, Request, decode};
use carillon_sip::passport::{Attestation, LocalKey, SignedBy, Signing};
use criterion::{Criterion, Throughput, criterion_group};

const INVITE: &str = "INVITE sip:+8613912345678@198.51.100.20:5060;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK-524287-1---a7b3c9d1e5f70b12;rport\r\n\
    Max-Forwards: 68\r\n\
    Contact: <sip:+8621600001111@203.0.113.10:5060;transport=udp>\r\n\
    To: <sip:+8613912345678@198.51.100.20;user=phone>\r\n\
    From: \"Carillon\" <sip:+8621600001111@203.0.113.10;user=phone>;tag=8c1f4a7e\r\n\
    Call-ID: 3848276298220188511@203.0.113.10\r\n\
    CSeq: 102 INVITE\r\n\
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n\
    Content-Type: application/sdp\r\n\
    Supported: timer, 100rel\r\n\
    User-Agent: Carrier SBC/7.4 build 2026.01.17-x\r\n\
    Content-Length: 211\r\n\r\n\
    v=0\r\n\
    o=- 1840 3 IN IP4 203.0.113.10\r\n\
    s=-\r\n\
    c=IN IP4 203.0.113.10\r\n\
    t=0 0\r\n\
    m=audio 18244 RTP/AVP 8 0 101\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=ptime:20\r\n";

fn read(datagram: Bytes) -> Request {
    match decode(datagram) {
        Ok(Message::Request(request)) => request,
        other => panic!("the benchmark's own INVITE: {other:?}"),
    }
}

/// Limit for decoding with every header typed, in microseconds: what pjsip's full parse takes on such a machine.
const DECODE_TYPED_US: f64 = 1.8;
/// Limit for encoding, in microseconds.
const ENCODE_US: f64 = 1.0;

/// Every header that the stack uses of an INVITE, typed.
fn typed(request: &Request) -> usize {
    let headers = &request.headers;
    let via = headers.via_top().expect("Via");
    let (from, to) = (headers.from().expect("From"), headers.to().expect("To"));
    let cseq = headers.cseq().expect("CSeq");
    let contacts = headers.contacts().expect("Contact");
    let supported = headers.supported().len();
    let allow = headers.tokens(HeaderName::Allow).len();
    let call_id = headers.call_id().expect("Call-ID");
    let content = headers.content_type();
    let forwards = headers.max_forwards();
    black_box((&via, &from, &to, &cseq, &contacts, content, forwards, request.uri.user()));
    supported + allow + call_id.len()
}

/// Median time of one turn, in microseconds.
fn median_us(mut turn: impl FnMut()) -> f64 {
    const TURNS: u32 = 1_000;
    let mut times: Vec<f64> = (0..300)
        .map(|_| {
            let start = Instant::now();
            (0..TURNS).for_each(|_| turn());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(TURNS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn against_limits() {
    let received = Bytes::from(INVITE.as_bytes().to_vec());
    let decode = median_us(|| {
        black_box(typed(&read(black_box(received.clone()))));
    });
    let request = read(received.clone());
    let mut out = Vec::with_capacity(2048);
    let encode = median_us(|| {
        out.clear();
        black_box(request.encode(&mut out)).expect("encoded");
    });
    for (what, took, limit) in
        [("decode, every header typed", decode, DECODE_TYPED_US), ("encode", encode, ENCODE_US)]
    {
        println!("{what:<30} {took:.3} us  (limit {limit}, ratio {:.2})", took / limit);
    }
}

fn codec(criterion: &mut Criterion) {
    assert_eq!(INVITE.len(), 800);
    // Owned, so that slices count references as those of a received datagram do.
    let received = Bytes::from(INVITE.as_bytes().to_vec());
    let buffer = INVITE.as_bytes();
    let mut group = criterion.benchmark_group("sip_codec_invite_800");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode", |bench| bench.iter(|| read(black_box(received.clone()))));
    group.bench_function("decode_typed", |bench| {
        bench.iter(|| typed(&read(black_box(received.clone()))));
    });
    group.bench_function("encode", |bench| {
        let request = read(received.clone());
        let mut out = Vec::with_capacity(2048);
        bench.iter(|| {
            out.clear();
            black_box(&request).encode(&mut out).map(|()| out.len())
        });
    });
    group.bench_function("decode_encode", |bench| {
        let mut out = Vec::with_capacity(2048);
        bench.iter(|| {
            out.clear();
            read(Bytes::copy_from_slice(black_box(buffer))).encode(&mut out).map(|()| out.len())
        });
    });
    group.bench_function("decode_views_encode", |bench| {
        let mut out = Vec::with_capacity(2048);
        bench.iter(|| {
            out.clear();
            let request = read(Bytes::copy_from_slice(black_box(buffer)));
            let headers = &request.headers;
            let _ = black_box((
                headers.via_top(),
                headers.from(),
                headers.to(),
                headers.cseq(),
                headers.contacts(),
            ));
            request.encode(&mut out).map(|()| out.len())
        });
    });
    group.finish();
}

/// What a trunk's own key adds to an INVITE: the Identity header with its signature (RFC 8588).
fn signing(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("shaken.key");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a pair");
    std::fs::write(&file, pair.serialize_pem()).expect("a file");
    let key = carillon_sip::io::signing::key(&file).expect("a key over P-256");
    let key = LocalKey { key: Arc::new(key), certificate_url: "https://cert.example/shaken.pem".into() };
    let signing = Signing {
        by: SignedBy::Key(key.clone()),
        attestation: Attestation::A,
        numbers: BTreeMap::new(),
        origid: "123e4567-e89b-12d3-a456-426655440000".into(),
    };
    criterion.bench_function("sip_identity_es256", |bench| {
        bench.iter(|| {
            let claims = signing.claims("+15550000001", black_box("+12025550100"), 1_443_208_345);
            key.identity(&claims.expect("two numbers")).expect("a signature").len()
        });
    });
}

criterion_group!(benches, codec, signing);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    against_limits();
}
