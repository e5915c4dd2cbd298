//! To tags for answers outside of any dialog.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::fingerprint::Fingerprints;
use crate::message::Request;

/// Makes the To tag of a request's responses out of the request itself and a secret.
///
/// Every response to one request, to its retransmissions and to its CANCEL gets the same tag without any memory
/// (RFC 3261 §8.2.6.2, §8.2.7, §9.2), and nobody outside can foretell it (§19.3).
#[derive(Clone)]
pub struct TagMaker {
    secret: [u8; 32],
}

impl TagMaker {
    /// `secret` comes from a secure generator and stays the same for the life of the process.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    pub(super) fn fingerprints(&self) -> Fingerprints {
        Fingerprints::new(&self.secret)
    }

    /// 64 bits, as 16 hexadecimal digits.
    pub fn tag(&self, request: &Request) -> String {
        let headers = &request.headers;
        let mut hash = Sha256::new();
        hash.update(self.secret);
        // Each part ends in a NUL, which none of them can hold, so that no two requests look alike.
        let part = |hash: &mut Sha256, text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        part(&mut hash, headers.call_id().unwrap_or_default());
        part(&mut hash, headers.from().ok().as_ref().and_then(|from| from.tag()).unwrap_or_default());
        part(&mut hash, headers.via_top().ok().as_ref().and_then(|via| via.branch()).unwrap_or_default());
        hash.update(headers.cseq().map(|cseq| cseq.number).unwrap_or_default().to_be_bytes());
        hash.finalize().iter().take(8).fold(String::with_capacity(16), |mut tag, octet| {
            // Writing into a String can't fail.
            let _ = write!(tag, "{octet:02x}");
            tag
        })
    }
}

impl std::fmt::Debug for TagMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TagMaker(***)")
    }
}
