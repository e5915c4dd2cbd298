//! `[tls]` and what a trunk says about TLS. Every file is read once here, so that a broken one is told with its key.

use std::path::PathBuf;

use carillon_sip::io::tls::{Role, TlsError, check, check_trunk};
use carillon_sip::options::{Identity, Options, TlsOptions, TrunkTls};
use carillon_sip::resolve;
use carillon_sip::transport::Transport;

use crate::place::{NeighbourUri, split_sip_uri};
use crate::reader::{At, Document, Place, Section};

/// Reads `[tls]` into the options; needed where something listens on TLS.
pub(crate) fn tls(document: &Document<'_>, mut section: Section<'_>, sip: &mut Options) {
    let certificate = file(document, section.text("certificate"));
    let key = file(document, section.text("key"));
    let client_ca = file(document, section.text("client_ca"));
    let ca = file(document, section.text("ca"));
    let places = Places {
        certificate: place(&section, &certificate, "certificate"),
        key: place(&section, &key, "key"),
        client_ca: place(&section, &client_ca, "client_ca"),
        ca: place(&section, &ca, "ca"),
    };
    let listens = sip.listen.iter().find(|local| local.transport.is_secure());
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.value, key: key.value }),
        (Some(_), None) => {
            document.problem(&places.key, "missing; certificate needs it");
            None
        }
        (None, Some(_)) => {
            document.problem(&places.certificate, "missing; key needs it");
            None
        }
        (None, None) => {
            if let Some(local) = listens {
                document.problem(&places.certificate, format!("missing; {local} in [sip] listen needs it"));
            }
            None
        }
    };
    section.finish();
    let value = |at: Option<At<PathBuf>>| at.map(|at| at.value);
    sip.tls = TlsOptions { identity, client_ca: value(client_ca), ca: value(ca) };
    if let Err(error) = check(&sip.tls) {
        places.tell(document, &error);
    }
}

/// Reads a trunk's own keys. Where the DNS chooses its transport and nothing is said of TLS, TLS is left out when it can't be had.
pub(crate) fn trunk(
    document: &Document<'_>,
    section: &mut Section<'_>,
    uri: &str,
    leads: &mut resolve::Place,
    tls: &TlsOptions,
) -> TrunkTls {
    let name = section.text("tls_name");
    let ca = file(document, section.text("tls_ca"));
    let certificate = file(document, section.text("tls_certificate"));
    let key = file(document, section.text("tls_key"));
    let verify_client = section.flag("tls_verify_client", false);
    let keys = ["tls_name", "tls_ca", "tls_certificate", "tls_key", "tls_verify_client"];
    if !leads.may_use(Transport::Tls) {
        if let Some(key) = keys.into_iter().find(|key| section.has(key)) {
            document.problem(
                &section.place(key),
                "is for a uri over TLS (sips: or ;transport=tls, or a name without port)",
            );
        }
        return TrunkTls::default();
    }
    let places = Places {
        certificate: place(section, &certificate, "tls_certificate"),
        key: place(section, &key, "tls_key"),
        client_ca: section.place("tls_verify_client"),
        ca: place(section, &ca, "tls_ca"),
    };
    if certificate.is_some() != key.is_some() {
        let missing = if key.is_none() { &places.key } else { &places.certificate };
        document.problem(missing, "missing; tls_certificate and tls_key go together");
    }
    if verify_client && tls.client_ca.is_none() {
        document.problem(&places.client_ca, "needs [tls] client_ca");
    }
    let host = split_sip_uri(uri, NeighbourUri::Trunk).map_or("", |uri| uri.host);
    let identity = certificate.zip(key);
    let trunk = TrunkTls {
        name: name.map_or_else(|| host.to_owned(), |at| at.value),
        ca: ca.map(|at| at.value),
        identity: identity
            .map(|(certificate, key)| Identity { certificate: certificate.value, key: key.value }),
        verify_client,
    };
    let spoken_of = keys.into_iter().any(|key| section.has(key));
    if let resolve::Place::Named(named) = leads
        && named.transports.len() > 1
        && !spoken_of
        && check_trunk(tls, &trunk).is_err()
    {
        named.transports.retain(|transport| *transport != Transport::Tls);
        return TrunkTls::default();
    }
    // What is wrong with the common roots was told where they are named.
    if let Err(error) = check_trunk(tls, &trunk)
        && !(error.role == Role::Ca && trunk.ca.is_none() && tls.ca.is_some())
    {
        places.tell(document, &error);
    }
    trunk
}

/// Where each file is named.
struct Places {
    certificate: Place,
    key: Place,
    client_ca: Place,
    ca: Place,
}

impl Places {
    fn tell(&self, document: &Document<'_>, error: &TlsError) {
        let place = match error.role {
            Role::Certificate => &self.certificate,
            Role::Key => &self.key,
            Role::ClientCa => &self.client_ca,
            Role::Ca => &self.ca,
        };
        document.problem(place, error);
    }
}

fn file(document: &Document<'_>, written: Option<At<String>>) -> Option<At<PathBuf>> {
    written.map(|at| At { value: document.path(&at.value), place: at.place })
}

fn place(section: &Section<'_>, written: &Option<At<PathBuf>>, key: &str) -> Place {
    written.as_ref().map_or_else(|| section.place(key), |at| at.place.clone())
}
