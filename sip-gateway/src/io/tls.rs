//! TLS: our certificate, whom we believe about theirs, and clear words about what is wrong with a file.
//!
//! The certificate in use is read again when its files change, so that a renewed one needs no restart. One that can't be
//! used leaves the old one in use.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoClientAuth, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use thiserror::Error;

use crate::options::{Identity, TlsOptions, TrunkTls};

/// Largest PEM file that is read, in octets: every root there is and more.
pub const PEM_OCTETS_MAX: u64 = 4 << 20;
/// How often the certificate's files are looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// What is wrong with a file.
#[derive(Debug, Error)]
#[error("{file}: {fault}", file = file.display())]
pub struct TlsError {
    /// What the file is for.
    pub role: Role,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What a file is for; each is a key of its own in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A certificate with its chain.
    Certificate,
    /// Its private key.
    Key,
    /// Whose certificates prove who connects to us.
    ClientCa,
    /// Whom to believe about trunks.
    Ca,
}

/// See [`TlsError`].
#[derive(Debug, Error)]
pub enum Fault {
    /// The system does not give it.
    #[error("can't be read: {0}")]
    Read(io::Error),
    /// No PEM file is so large.
    #[error("is larger than {PEM_OCTETS_MAX} octets")]
    Large,
    /// No certificate in it.
    #[error("holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")")]
    NoCertificate,
    /// A certificate in it is broken.
    #[error("holds something that is no certificate: {0}")]
    Certificate(String),
    /// No key in it.
    #[error("holds no private key in PEM (\"-----BEGIN PRIVATE KEY-----\"): {0}")]
    NoKey(String),
    /// A key of a kind that can't be used.
    #[error("holds a private key that can't be used: {0}")]
    Key(String),
    /// Key and certificate are of two different pairs.
    #[error("is not the key of the certificate in {certificate}", certificate = .0.display())]
    Mismatch(PathBuf),
    /// The system has no roots of its own.
    #[error("the system has no root certificates; name a file")]
    NoRoots,
    /// Anything else that the library says.
    #[error("{0}")]
    Other(rustls::Error),
}

/// Checks that every file of these options can be used.
///
/// # Errors
/// The first file that can't.
pub fn check(options: &TlsOptions) -> Result<(), TlsError> {
    if options.identity.is_some() {
        server_config(options)?;
    }
    options.ca.as_deref().map_or(Ok(()), |file| roots(file, Role::Ca).map(|_| ()))
}

/// Checks that every file of a trunk can be used.
///
/// # Errors
/// The first file that can't.
pub fn check_trunk(options: &TlsOptions, trunk: &TrunkTls) -> Result<(), TlsError> {
    client_config(options, trunk).map(|_| ())
}

/// What the connections of one listener need: our certificate, and how trunks are gone to.
#[derive(Debug)]
pub struct Security {
    options: TlsOptions,
    config: Arc<ServerConfig>,
    trunks: Vec<Peer>,
    /// Trunks by where they are.
    places: BTreeMap<SocketAddr, usize>,
    stamps: Vec<Option<(SystemTime, u64)>>,
    looked: Duration,
}

/// A trunk that may be gone to over TLS.
#[derive(Clone, Copy, Debug)]
pub struct TlsTrunk<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is, if that is known yet (`Security::follow`).
    pub address: Option<SocketAddr>,
    /// What it needs.
    pub tls: &'a TrunkTls,
}

#[derive(Debug)]
struct Peer {
    trunk: String,
    /// What its certificate is for, as it is written.
    written: String,
    name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
}

impl Security {
    /// Reads the files. `trunks` are those over TLS, with where they are.
    ///
    /// # Errors
    /// The first file that can't be used.
    pub fn new<'a>(
        options: &TlsOptions,
        trunks: impl Iterator<Item = TlsTrunk<'a>>,
    ) -> Result<Self, TlsError> {
        let (mut peers, mut places) = (Vec::new(), BTreeMap::new());
        for TlsTrunk { name, address, tls } in trunks {
            places.extend(address.map(|address| (address, peers.len())));
            peers.push(Peer {
                trunk: name.to_owned(),
                written: tls.name.clone(),
                name: ServerName::try_from(tls.name.clone()).ok(),
                config: client_config(options, tls)?,
            });
        }
        let (config, stamps) = (server_config(options)?, stamps(options));
        Ok(Self { options: options.clone(), config, trunks: peers, places, stamps, looked: Duration::ZERO })
    }

    /// A trunk is at these addresses from now on, and nowhere else.
    pub(super) fn follow(&mut self, trunk: &str, addresses: &[SocketAddr]) {
        let Some(index) = self.trunks.iter().position(|peer| peer.trunk == trunk) else { return };
        self.places.retain(|_, known| *known != index);
        for address in addresses {
            self.places.entry(*address).or_insert(index);
        }
    }

    /// TLS over a connection that a peer opened.
    pub(super) fn accepted(&self) -> io::Result<rustls::Connection> {
        ServerConnection::new(Arc::clone(&self.config)).map(Into::into).map_err(io::Error::other)
    }

    /// TLS over a connection that we open.
    ///
    /// # Errors
    /// Where nobody said whose certificate to expect there.
    pub(super) fn opened(&self, to: SocketAddr) -> io::Result<rustls::Connection> {
        let peer = self.places.get(&to).and_then(|index| self.trunks.get(*index));
        let peer = peer.ok_or_else(|| io::Error::other("no trunk over TLS is there"))?;
        // A name that can't be one is never right on a certificate; the address may be.
        let name = peer.name.clone().unwrap_or_else(|| to.ip().into());
        let tls = ClientConnection::new(Arc::clone(&peer.config), name);
        tls.map(Into::into).map_err(io::Error::other)
    }

    /// The names of trunks that a certificate is for.
    pub(super) fn names_of(&self, certificate: &CertificateDer<'_>) -> Vec<String> {
        let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return Vec::new() };
        let fits =
            |peer: &&Peer| peer.name.as_ref().is_some_and(|name| verify_server_name(&parsed, name).is_ok());
        self.trunks.iter().filter(fits).map(|peer| peer.written.clone()).collect()
    }

    /// Takes over files that have changed. Cheap; call it now and then.
    pub(super) fn look_again(&mut self, now: Duration) {
        if now < self.looked.saturating_add(LOOK_INTERVAL) {
            return;
        }
        self.looked = now;
        let stamps = stamps(&self.options);
        if stamps == self.stamps {
            return;
        }
        self.stamps = stamps;
        match server_config(&self.options) {
            Ok(config) => {
                self.config = config;
                tracing::info!("the new TLS certificate is in use");
            }
            Err(error) => tracing::warn!(%error, "the new TLS certificate can't be used; the old one stays"),
        }
    }
}

/// When the files were last written, and how long they are.
fn stamps(options: &TlsOptions) -> Vec<Option<(SystemTime, u64)>> {
    let identity = options.identity.iter().flat_map(|it| [&it.certificate, &it.key]);
    let stamp = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    identity.chain(&options.client_ca).map(stamp).collect()
}

fn server_config(options: &TlsOptions) -> Result<Arc<ServerConfig>, TlsError> {
    let identity = options.identity.as_ref();
    let identity = identity.ok_or_else(|| error(Role::Certificate, Path::new(""), Fault::NoCertificate))?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|fault| error(Role::Certificate, &identity.certificate, Fault::Other(fault)))?;
    let builder = match &options.client_ca {
        None => builder.with_client_cert_verifier(Arc::new(NoClientAuth)),
        Some(file) => {
            let known = Arc::new(roots(file, Role::ClientCa)?);
            let verifier =
                WebPkiClientVerifier::builder_with_provider(known, provider()).allow_unauthenticated();
            let fault = |fault: rustls::server::VerifierBuilderError| {
                error(Role::ClientCa, file, Fault::Certificate(fault.to_string()))
            };
            builder.with_client_cert_verifier(verifier.build().map_err(fault)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified(identity)?)));
    // Whoever names a protocol names one of these: RFC 7118 §5 begins with HTTP.
    config.alpn_protocols = vec![b"sip".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What connections to a trunk are opened with.
fn client_config(options: &TlsOptions, trunk: &TrunkTls) -> Result<Arc<ClientConfig>, TlsError> {
    let ca = trunk.ca.as_deref().or(options.ca.as_deref());
    let known = Arc::new(ca.map_or_else(system_roots, |file| roots(file, Role::Ca))?);
    let file = ca.unwrap_or(Path::new("system"));
    let verifier = WebPkiServerVerifier::builder_with_provider(known, provider()).build();
    let verifier: Arc<dyn ServerCertVerifier> =
        verifier.map_err(|fault| error(Role::Ca, file, Fault::Certificate(fault.to_string())))?;
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|fault| error(Role::Ca, file, Fault::Other(fault)))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Arc::new(match &trunk.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified(identity)?)))
        }
    }))
}

/// What connections to a service over HTTP are opened with: its certificate is for the host of its address, in date, and leads to one
/// of these authorities, or of the system's.
///
/// # Errors
/// Where the file can't be used, or the system has no authorities.
pub(super) fn https_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let known = ca.map_or_else(system_roots, |file| roots(file, Role::Ca))?;
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|fault| error(Role::Ca, ca.unwrap_or(Path::new("system")), Fault::Other(fault)))?;
    Ok(Arc::new(builder.with_root_certificates(known).with_no_client_auth()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certified(identity: &Identity) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&identity.certificate, Role::Certificate)?;
    let wrong = |fault| error(Role::Key, &identity.key, fault);
    let text = read(&identity.key, Role::Key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|fault| wrong(Fault::NoKey(fault.to_string())))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|fault| match fault {
        rustls::Error::InconsistentKeys(_) => wrong(Fault::Mismatch(identity.certificate.clone())),
        rustls::Error::InvalidCertificate(_) => {
            error(Role::Certificate, &identity.certificate, Fault::Certificate(fault.to_string()))
        }
        other => wrong(Fault::Key(other.to_string())),
    })
}

fn roots(file: &Path, role: Role) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file, role)? {
        store.add(certificate).map_err(|fault| error(role, file, Fault::Certificate(fault.to_string())))?;
    }
    Ok(store)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    // Some roots of old systems can't be read; the others do.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(error(Role::Ca, Path::new("system"), Fault::NoRoots)) } else { Ok(store) }
}

fn certificates(file: &Path, role: Role) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file, role)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(error(role, file, Fault::NoCertificate)),
        Ok(found) => Ok(found),
        Err(fault) => Err(error(role, file, Fault::Certificate(fault.to_string()))),
    }
}

fn read(file: &Path, role: Role) -> Result<Vec<u8>, TlsError> {
    let found = fs::metadata(file).map_err(|fault| error(role, file, Fault::Read(fault)))?;
    if found.len() > PEM_OCTETS_MAX {
        return Err(error(role, file, Fault::Large));
    }
    fs::read(file).map_err(|fault| error(role, file, Fault::Read(fault)))
}

fn error(role: Role, file: &Path, fault: Fault) -> TlsError {
    TlsError { role, file: file.to_owned(), fault }
}

#[cfg(test)]
mod tests;
