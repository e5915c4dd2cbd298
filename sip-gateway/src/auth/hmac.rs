//! HMAC-SHA-256 (RFC 2104).

use sha2::{Digest, Sha256};

/// Of the parts one after the other; they have to be told apart by their lengths or their content.
pub(super) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |octet: u8| {
        let mut block = [octet; 64];
        block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
        block
    };
    let mut inner = Sha256::new();
    inner.update(pad(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new();
    outer.update(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // printf what | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707...
    #[test]
    fn openssl_computes_the_same() {
        let mac = super::super::digest::to_hex(&hmac(&[7; 32], &[b"wh", b"at"]));
        assert_eq!(mac, "1ed637384978236a2db232a575ba8e745637bb02f8fc2231fe98b3bd59ded3c3");
    }
}
