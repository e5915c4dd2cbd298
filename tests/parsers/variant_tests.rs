//! Every message of RFC 4475 and RFC 5118, written in every other way: the decoder finds the same in it.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use carillon_sip::message::{Contacts, DecodeError, HeaderName, Headers, Message, NameAddr, decode};

use super::variants::{VARIANTS, variant};

/// What a reader finds in a message, as text.
fn meaning(octets: &[u8]) -> String {
    match decode(Bytes::copy_from_slice(octets)) {
        Ok(Message::Request(request)) => {
            format!(
                "{:?} {} {} {:?}",
                request.method,
                request.uri.raw(),
                headers(&request.headers),
                request.body
            )
        }
        Ok(Message::Response(response)) => {
            format!("{} {} {:?}", response.status, headers(&response.headers), response.body)
        }
        Err(DecodeError::Answer { status, .. }) => format!("answered with {status}"),
        Err(DecodeError::Drop(_)) => "dropped".to_owned(),
    }
}

fn headers(headers: &Headers) -> String {
    let address = |address: &NameAddr| format!("<{}>{:?}", address.uri.raw(), address.tag());
    let list = |addresses: Vec<NameAddr>| addresses.iter().map(address).collect::<Vec<_>>();
    let vias = headers.vias().map(|vias| {
        let one = |via: &carillon_sip::message::Via| {
            format!("{} {}:{:?} {:?} {:?}", via.transport, via.host, via.port, via.branch(), via.received())
        };
        vias.iter().map(one).collect::<Vec<_>>()
    });
    let contacts = headers.contacts().map(|contacts| match contacts {
        Contacts::Star => vec!["*".to_owned()],
        Contacts::List(addresses) => list(addresses),
    });
    [
        format!("{vias:?}"),
        format!("{contacts:?}"),
        format!("{:?}", headers.from().map(|party| address(&party))),
        format!("{:?}", headers.to().map(|party| address(&party))),
        format!("{:?} {:?}", headers.call_id(), headers.cseq()),
        format!("{:?} {:?}", headers.routes().map(list), headers.record_routes().map(list)),
        format!("{:?} {:?} {:?}", headers.max_forwards(), headers.expires(), headers.content_type()),
        format!("{:?} {:?}", headers.require(), headers.supported()),
        format!("{}", headers.all(HeaderName::Allow).count()),
    ]
    .join(" | ")
}

#[test]
fn every_message_means_the_same_in_other_words() {
    let mut compared = 0;
    for set in ["rfc4475", "rfc5118"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(set);
        for entry in fs::read_dir(folder).expect("the corpus") {
            let path = entry.expect("an entry").path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !file.ends_with(".dat") {
                continue;
            }
            let octets = fs::read(&path).expect("a message");
            for way in VARIANTS {
                let Some(other) = variant(&octets, way) else { continue };
                compared += 1;
                let text = String::from_utf8_lossy(&other);
                assert_eq!(meaning(&octets), meaning(&other), "{file} {way:?}:\n{text}");
            }
        }
    }
    assert!(compared > 400, "{compared} of 64 messages in 7 ways");
}
