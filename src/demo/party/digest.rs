//! Digest authentication with MD5, both sides (RFC 7616, with the algorithm every phone and trunk speaks).

use md5::{Digest, Md5};

/// What a client proves a request with.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// User name.
    pub username: &'a str,
    /// Password.
    pub password: &'a str,
    /// SIP method of the request.
    pub method: &'a str,
    /// Request-URI as written.
    pub uri: &'a str,
    /// Nonce counter of this nonce.
    pub count: u32,
    /// Client nonce.
    pub cnonce: &'a str,
}

/// The value of an Authorization or Proxy-Authorization header that answers `challenge`; `None` when the challenge is not
/// digest with MD5 (and `qop` absent or offering `auth`).
pub fn authorization(challenge: &str, proof: &Proof<'_>) -> Option<String> {
    let fields = challenge.trim().strip_prefix("Digest ")?;
    let algorithm = field(fields, "algorithm");
    if !(algorithm.is_empty() || algorithm.eq_ignore_ascii_case("MD5")) {
        return None;
    }
    let (realm, nonce, opaque) = (field(fields, "realm"), field(fields, "nonce"), field(fields, "opaque"));
    let qop = field(fields, "qop");
    let Proof { username, uri, cnonce, .. } = *proof;
    let count = format!("{:08x}", proof.count);
    let opaque = if opaque.is_empty() { String::new() } else { format!(",opaque=\"{opaque}\"") };
    let quality = match qop {
        "" => String::new(),
        list if list.split(',').any(|one| one.trim() == "auth") => {
            format!(",qop=auth,nc={count},cnonce=\"{cnonce}\"")
        }
        _ => return None,
    };
    let response = response(proof, realm, nonce, (!qop.is_empty()).then_some(count.as_str()));
    Some(format!(
        "Digest username=\"{username}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",response=\"{response}\",\
         algorithm=MD5{quality}{opaque}"
    ))
}

/// Whether `value` (of an Authorization header) proves `password` for `username` and `method` under `nonce`.
pub fn proves(value: &str, username: &str, password: &str, method: &str, nonce: &str) -> bool {
    let Some(fields) = value.trim().strip_prefix("Digest ") else { return false };
    let count = field(fields, "nc");
    let proof = Proof {
        username,
        password,
        method,
        uri: field(fields, "uri"),
        count: u32::from_str_radix(count, 16).unwrap_or(0),
        cnonce: field(fields, "cnonce"),
    };
    let quality = (!field(fields, "qop").is_empty()).then_some(count);
    field(fields, "username") == username
        && field(fields, "nonce") == nonce
        && field(fields, "response") == response(&proof, field(fields, "realm"), nonce, quality)
}

/// Lower-case hexadecimal MD5.
pub fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn response(proof: &Proof<'_>, realm: &str, nonce: &str, count: Option<&str>) -> String {
    // RFC 7616 §3.4.1: with qop=auth the counter, the client nonce and the word are hashed in too.
    let first = md5_hex(&format!("{}:{realm}:{}", proof.username, proof.password));
    let second = md5_hex(&format!("{}:{}", proof.method, proof.uri));
    match count {
        Some(count) => md5_hex(&format!("{first}:{nonce}:{count}:{}:auth:{second}", proof.cnonce)),
        None => md5_hex(&format!("{first}:{nonce}:{second}")),
    }
}

fn field<'a>(fields: &'a str, name: &str) -> &'a str {
    let mut rest = fields;
    while let Some((found, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').map_or((after, ""), |(value, next)| (value, next)),
        };
        if found.trim().eq_ignore_ascii_case(name) {
            return value.trim();
        }
        rest = next.trim_start_matches([',', ' ', '\t']);
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
                             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    fn proof() -> Proof<'static> {
        Proof {
            username: "Mufasa",
            password: "Circle of Life",
            method: "GET",
            uri: "/dir/index.html",
            count: 1,
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        }
    }

    #[test]
    fn rfc_7616_section_3_9_1() {
        let value = authorization(CHALLENGE, &proof()).expect("MD5 challenge");
        assert_eq!(field(&value, "response"), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(field(&value, "nc"), "00000001");
        assert_eq!(field(&value, "opaque"), "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS");
    }

    #[test]
    fn server_side_agrees_and_refuses() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let value = authorization(CHALLENGE, &proof()).expect("MD5 challenge");
        assert!(proves(&value, "Mufasa", "Circle of Life", "GET", nonce));
        assert!(!proves(&value, "Mufasa", "circle of life", "GET", nonce));
        assert!(!proves(&value, "Mufasa", "Circle of Life", "PUT", nonce));
        assert!(!proves(&value, "Mufasa", "Circle of Life", "GET", "other"));
        assert!(!proves("Basic abc", "Mufasa", "Circle of Life", "GET", nonce));
    }

    #[test]
    fn challenge_without_qop_uses_the_old_form() {
        let value = authorization("Digest realm=\"r\",nonce=\"n\"", &proof()).expect("challenge");
        assert_eq!(field(&value, "qop"), "");
        assert!(proves(&value, "Mufasa", "Circle of Life", "GET", "n"));
    }

    #[test]
    fn other_schemes_are_declined() {
        assert_eq!(authorization("Digest realm=\"r\",nonce=\"n\",algorithm=SHA-256", &proof()), None);
        assert_eq!(authorization("Digest realm=\"r\",nonce=\"n\",qop=\"auth-int\"", &proof()), None);
        assert_eq!(authorization("Basic realm=\"r\"", &proof()), None);
    }
}
