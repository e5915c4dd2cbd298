//! Header field names, with their compact forms.

use std::fmt;

use bytes::Bytes;

use super::text::{Text, share};

/// Longest known name; longer ones are unknown without looking.
const KNOWN_LENGTH_MAX: usize = 24;

macro_rules! header_names {
    ($($(#[$doc:meta])* $variant:ident = $canonical:literal, $($lower:literal)|+;)*) => {
        /// The name of a header field. Compared without regard to case (RFC 3261 §7.3.1).
        #[derive(Clone, Debug)]
        pub enum HeaderName {
            $($(#[$doc])* $variant,)*
            /// Any other token, in the case it was written with.
            Other(Text),
        }

        impl HeaderName {
            /// The name as it is written, long form.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $canonical,)*
                    Self::Other(token) => token.as_str(),
                }
            }

            fn known_lower(lower: &[u8]) -> Option<Self> {
                match lower {
                    $($($lower)|+ => Some(Self::$variant),)*
                    _ => None,
                }
            }

            #[cfg(test)]
            fn all_known() -> Vec<(Self, Vec<&'static [u8]>)> {
                vec![$((Self::$variant, vec![$($lower.as_slice()),+]),)*]
            }
        }
    };
}

header_names! {
    /// RFC 3261 §20.1.
    Accept = "Accept", b"accept";
    /// RFC 3841.
    AcceptContact = "Accept-Contact", b"accept-contact" | b"a";
    /// RFC 3261 §20.2.
    AcceptEncoding = "Accept-Encoding", b"accept-encoding";
    /// RFC 3261 §20.3.
    AcceptLanguage = "Accept-Language", b"accept-language";
    /// RFC 3261 §20.4.
    AlertInfo = "Alert-Info", b"alert-info";
    /// RFC 3261 §20.5.
    Allow = "Allow", b"allow";
    /// RFC 6665.
    AllowEvents = "Allow-Events", b"allow-events" | b"u";
    /// RFC 5373.
    AnswerMode = "Answer-Mode", b"answer-mode";
    /// RFC 3261 §20.6.
    AuthenticationInfo = "Authentication-Info", b"authentication-info";
    /// RFC 3261 §20.7.
    Authorization = "Authorization", b"authorization";
    /// RFC 3261 §20.8.
    CallId = "Call-ID", b"call-id" | b"i";
    /// RFC 3261 §20.9.
    CallInfo = "Call-Info", b"call-info";
    /// RFC 3261 §20.10.
    Contact = "Contact", b"contact" | b"m";
    /// RFC 3261 §20.11.
    ContentDisposition = "Content-Disposition", b"content-disposition";
    /// RFC 3261 §20.12.
    ContentEncoding = "Content-Encoding", b"content-encoding" | b"e";
    /// RFC 3261 §20.13.
    ContentLanguage = "Content-Language", b"content-language";
    /// RFC 3261 §20.14.
    ContentLength = "Content-Length", b"content-length" | b"l";
    /// RFC 3261 §20.15.
    ContentType = "Content-Type", b"content-type" | b"c";
    /// RFC 3261 §20.16.
    CSeq = "CSeq", b"cseq";
    /// RFC 3261 §20.17.
    Date = "Date", b"date";
    /// RFC 5806.
    Diversion = "Diversion", b"diversion";
    /// RFC 3261 §20.18.
    ErrorInfo = "Error-Info", b"error-info";
    /// RFC 6665.
    Event = "Event", b"event" | b"o";
    /// RFC 3261 §20.19.
    Expires = "Expires", b"expires";
    /// RFC 3261 §20.20.
    From = "From", b"from" | b"f";
    /// RFC 8224.
    Identity = "Identity", b"identity" | b"y";
    /// RFC 3261 §20.21.
    InReplyTo = "In-Reply-To", b"in-reply-to";
    /// RFC 3261 §20.22.
    MaxForwards = "Max-Forwards", b"max-forwards";
    /// RFC 3261 §20.24.
    MimeVersion = "MIME-Version", b"mime-version";
    /// RFC 3261 §20.23.
    MinExpires = "Min-Expires", b"min-expires";
    /// RFC 4028.
    MinSe = "Min-SE", b"min-se";
    /// RFC 3261 §20.25.
    Organization = "Organization", b"organization";
    /// RFC 3325.
    PAssertedIdentity = "P-Asserted-Identity", b"p-asserted-identity";
    /// RFC 3325.
    PPreferredIdentity = "P-Preferred-Identity", b"p-preferred-identity";
    /// RFC 3327.
    Path = "Path", b"path";
    /// RFC 3261 §20.26.
    Priority = "Priority", b"priority";
    /// RFC 3323.
    Privacy = "Privacy", b"privacy";
    /// RFC 3261 §20.27.
    ProxyAuthenticate = "Proxy-Authenticate", b"proxy-authenticate";
    /// RFC 3261 §20.28.
    ProxyAuthorization = "Proxy-Authorization", b"proxy-authorization";
    /// RFC 3261 §20.29.
    ProxyRequire = "Proxy-Require", b"proxy-require";
    /// RFC 3262.
    RAck = "RAck", b"rack";
    /// RFC 3326.
    Reason = "Reason", b"reason";
    /// RFC 3261 §20.30.
    RecordRoute = "Record-Route", b"record-route";
    /// RFC 3515.
    ReferTo = "Refer-To", b"refer-to" | b"r";
    /// RFC 3892.
    ReferredBy = "Referred-By", b"referred-by" | b"b";
    /// RFC 3841.
    RejectContact = "Reject-Contact", b"reject-contact" | b"j";
    /// RFC 3891.
    Replaces = "Replaces", b"replaces";
    /// RFC 3261 §20.31.
    ReplyTo = "Reply-To", b"reply-to";
    /// RFC 3841.
    RequestDisposition = "Request-Disposition", b"request-disposition" | b"d";
    /// RFC 3261 §20.32.
    Require = "Require", b"require";
    /// RFC 3261 §20.33.
    RetryAfter = "Retry-After", b"retry-after";
    /// RFC 3261 §20.34.
    Route = "Route", b"route";
    /// RFC 3262.
    RSeq = "RSeq", b"rseq";
    /// RFC 3261 §20.35.
    Server = "Server", b"server";
    /// RFC 3608.
    ServiceRoute = "Service-Route", b"service-route";
    /// RFC 4028.
    SessionExpires = "Session-Expires", b"session-expires" | b"x";
    /// RFC 3261 §20.36.
    Subject = "Subject", b"subject" | b"s";
    /// RFC 6665.
    SubscriptionState = "Subscription-State", b"subscription-state";
    /// RFC 3261 §20.37.
    Supported = "Supported", b"supported" | b"k";
    /// RFC 3261 §20.38.
    Timestamp = "Timestamp", b"timestamp";
    /// RFC 3261 §20.39.
    To = "To", b"to" | b"t";
    /// RFC 3261 §20.40.
    Unsupported = "Unsupported", b"unsupported";
    /// RFC 3261 §20.41.
    UserAgent = "User-Agent", b"user-agent";
    /// RFC 3261 §20.42.
    Via = "Via", b"via" | b"v";
    /// RFC 3261 §20.43.
    Warning = "Warning", b"warning";
    /// RFC 3261 §20.44.
    WwwAuthenticate = "WWW-Authenticate", b"www-authenticate";
}

impl HeaderName {
    /// The name for these octets of a datagram: known in any case and in compact form, else [`HeaderName::Other`].
    /// `None` when they are not UTF-8.
    pub(super) fn parse(name: &[u8], datagram: &Bytes) -> Option<Self> {
        match Self::known(name) {
            Some(name) => Some(name),
            None => Text::from_utf8(share(datagram, name)).map(Self::Other),
        }
    }

    fn known(name: &[u8]) -> Option<Self> {
        let mut lower = [0; KNOWN_LENGTH_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        Self::known_lower(lower)
    }
}

impl From<&str> for HeaderName {
    fn from(name: &str) -> Self {
        Self::known(name.as_bytes()).unwrap_or_else(|| Self::Other(name.into()))
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(one), Self::Other(two)) => one.as_bytes().eq_ignore_ascii_case(two.as_bytes()),
            // Only unknown names carry text, so for all others the variant says it all.
            (one, two) => std::mem::discriminant(one) == std::mem::discriminant(two),
        }
    }
}

impl Eq for HeaderName {}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_in_compact_form() {
        for (name, spellings) in HeaderName::all_known() {
            assert_eq!(spellings[0], name.as_str().to_ascii_lowercase().as_bytes(), "{name}");
            assert!(name.as_str().len() <= KNOWN_LENGTH_MAX, "{name}");
            for spelling in spellings {
                assert_eq!(HeaderName::known(&spelling.to_ascii_uppercase()), Some(name.clone()));
            }
        }
    }

    #[test]
    fn unknown_names_compare_without_case_and_keep_their_own() {
        let name = HeaderName::from("X-Carillon");
        assert_eq!(name, HeaderName::from("x-CARILLON"));
        assert_ne!(name, HeaderName::from("X-Carillo"));
        assert_eq!(name.as_str(), "X-Carillon");
        // An escaped letter is not that letter (RFC 4475 §3.1.1.5).
        assert_ne!(HeaderName::from("C%6Fntact"), HeaderName::Contact);
    }
}
