//! What a message is matched to its transaction by (RFC 3261 §17.1.3, §17.2.3) and to its twin by (§8.2.2.2).

use std::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::message::{FieldError, HeaderName, Headers, Method, Request, Text};

/// Names a transaction of one [`super::Layer`]. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionKey(pub(super) u64);

/// What messages of one transaction have in common. Hashed without the method: a CANCEL finds its INVITE that way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MatchKey {
    /// §17.1.3: branch of our own topmost Via and the method in CSeq.
    Client { branch: Text, method: Method },
    /// §17.2.3: branch and sent-by of the topmost Via, and the method (INVITE for an ACK).
    Server { branch: Text, host: Text, port: Option<u16>, method: Method },
    /// §17.2.3: what a client of RFC 2543 leaves to match by; the To tag is compared separately.
    Older(Box<Older>),
}

/// See [`MatchKey::Older`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Older {
    call_id: Text,
    from_tag: Option<Text>,
    cseq: u32,
    uri: Text,
    via: Bytes,
    method: Method,
}

impl MatchKey {
    /// For a message of our own client transactions, request or response.
    pub(super) fn client(headers: &Headers) -> Result<Self, FieldError> {
        let via = headers.via_top()?;
        let branch = via.branch().ok_or(FieldError::Via)?;
        Ok(Self::Client { branch: branch.into(), method: headers.cseq()?.method })
    }

    /// For a received request. An ACK gets the key of its INVITE.
    pub(super) fn server(request: &Request) -> Result<Self, FieldError> {
        let headers = &request.headers;
        let via = headers.via_top()?;
        // §17.2.3: an ACK belongs to the transaction its INVITE created.
        let method = match &request.method {
            Method::Ack => Method::Invite,
            method => method.clone(),
        };
        if via.has_unique_branch()
            && let Some(branch) = via.branch()
        {
            return Ok(Self::Server {
                branch: branch.into(),
                // A copy: the datagram is not to stay in memory for as long as the transaction does.
                host: via.host.as_str().into(),
                port: via.port,
                method,
            });
        }
        Ok(Self::Older(Box::new(Older {
            call_id: headers.call_id()?.into(),
            from_tag: headers.from()?.tag().map(Text::from),
            cseq: headers.cseq()?.number,
            uri: request.uri.raw().into(),
            via: headers.first(HeaderName::Via).cloned().unwrap_or_default(),
            method,
        })))
    }

    /// Whether messages are matched the way of RFC 2543, where the To tag counts too.
    pub(super) fn is_older(&self) -> bool {
        match self {
            Self::Older(_) => true,
            Self::Client { .. } | Self::Server { .. } => false,
        }
    }

    pub(super) fn method(&self) -> &Method {
        match self {
            Self::Client { method, .. } | Self::Server { method, .. } => method,
            Self::Older(older) => &older.method,
        }
    }

    /// Whether nothing but the method tells the two apart.
    pub(super) fn differs_in_method_alone(&self, other: &Self) -> bool {
        let mut same = self.clone();
        match &mut same {
            Self::Client { method, .. } | Self::Server { method, .. } => method.clone_from(other.method()),
            Self::Older(older) => older.method.clone_from(other.method()),
        }
        same == *other && self.method() != other.method()
    }
}

impl Hash for MatchKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Client { branch, method: _ } => branch.hash(state),
            Self::Server { branch, host, port, method: _ } => (branch, host, port).hash(state),
            Self::Older(older) => {
                let Older { call_id, from_tag, cseq, uri, via, method: _ } = older.as_ref();
                (call_id, from_tag, cseq, uri, via).hash(state);
            }
        }
    }
}

/// What two copies of a request have in common that reached us over different paths (§8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MergeKey {
    call_id: Text,
    from_tag: Option<Text>,
    cseq: u32,
    method: Method,
}

impl MergeKey {
    /// `None` for requests that can't be merged: those within a dialog, ACK and CANCEL.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let headers = &request.headers;
        if matches!(request.method, Method::Ack | Method::Cancel) || headers.to().ok()?.tag().is_some() {
            return None;
        }
        Some(Self {
            call_id: headers.call_id().ok()?.into(),
            from_tag: headers.from().ok()?.tag().map(Text::from),
            cseq: headers.cseq().ok()?.number,
            method: request.method.clone(),
        })
    }
}
