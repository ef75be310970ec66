//! TLS of RadSec: our certificate, and whose certificates are taken (RFC 6614 §2.3).
//!
//! A client without a certificate, or with one that is not of the client authority, is refused in the handshake. What it
//! showed is remembered, so that operators see who calls. Nothing of an earlier connection is resumed: each one proves anew
//! that its certificate is still valid.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::domain::api::Fingerprint;
use crate::domain::radsec::Certificate;

/// Names that are read of one certificate; the rest does not count.
const NAMES: usize = 16;
/// The longest name that counts, in octets: none that can be configured is longer.
const NAME_BYTES: usize = 1_024;

/// Why the files cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read, or is no PEM of its kind.
    #[error("{}: {why}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why; carries nothing of what is in it.
        why: String,
    },
    /// What is in them does not go together.
    #[error("radsec_cert, radsec_key and radsec_client_ca cannot serve: {0}")]
    Useless(#[from] Error),
    /// The same, of the authorities.
    #[error("radsec_client_ca cannot serve: {0}")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
}

/// All that handshakes need.
#[derive(Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    ours: Arc<SingleCertAndKey>,
    authorities: Arc<dyn ClientCertVerifier>,
}

/// A handshake that came to nothing.
#[derive(Debug)]
pub(super) struct Unshaken {
    /// Why, in words.
    pub(super) why: String,
    /// The certificate that was shown, if it came so far.
    pub(super) certificate: Option<Certificate>,
}

impl Tls {
    /// From PEM files: our certificate with its chain, its key, and the authorities of routers' certificates.
    ///
    /// # Errors
    /// [`TlsFault`], which names the file.
    pub fn read(cert: &Path, key: &Path, client_ca: &Path) -> Result<Self, TlsFault> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(cert)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|_| TlsFault::File {
            file: key.to_owned(),
            why: "expected a private key, PEM, that can be read".to_owned(),
        })?;
        let ours = Arc::new(SingleCertAndKey::from(CertifiedKey::from_der(chain, key, &provider)?));
        let mut roots = RootCertStore::empty();
        for authority in certificates(client_ca)? {
            roots.add(authority)?;
        }
        let authorities =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
        Ok(Self { provider, ours, authorities })
    }

    /// Shakes hands with whoever is at the other end, who must have a certificate of the authorities. The caller limits how
    /// long that may take.
    pub(super) async fn shake_hands(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Certificate), Unshaken> {
        let judge = Arc::new(Judge { authorities: Arc::clone(&self.authorities), shown: Mutex::default() });
        let config = self.config(&judge).map_err(|error| judge.fault(&error))?;
        match TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            Ok(stream) => match judge.shown() {
                Some(certificate) => Ok((stream, certificate)),
                None => Err(Unshaken { why: "no certificate was shown".to_owned(), certificate: None }),
            },
            Err(error) => Err(judge.fault(&error)),
        }
    }

    fn config(&self, judge: &Arc<Judge>) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(judge) as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(Arc::clone(&self.ours) as Arc<dyn rustls::server::ResolvesServerCert>);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let fault = |why: String| TlsFault::File { file: file.to_owned(), why };
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| fault(error.to_string()))?;
    if read.is_empty() { Err(fault("expected certificates, PEM".to_owned())) } else { Ok(read) }
}

/// What a certificate says of who has it. Of a certificate that cannot be read only the fingerprint is known.
pub(super) fn certificate(der: &CertificateDer<'_>) -> Certificate {
    let mut names: Vec<String> = Vec::new();
    if let Ok((_, read)) = X509Certificate::from_der(der) {
        let common = read.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned);
        let alternative = read.subject_alternative_name().ok().flatten();
        let alternative = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(spoken);
        let fits = |name: &String| !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(char::is_control);
        for name in common.chain(alternative).map(|name| name.to_lowercase()).filter(fits).take(NAMES) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Certificate { fingerprint: Fingerprint(Sha256::digest(der.as_ref()).into()), names }
}

fn spoken(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Asks the authorities about the certificate of one handshake, and remembers what was shown.
#[derive(Debug)]
struct Judge {
    authorities: Arc<dyn ClientCertVerifier>,
    shown: Mutex<Option<Certificate>>,
}

impl Judge {
    fn shown(&self) -> Option<Certificate> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fault(&self, error: &dyn std::fmt::Display) -> Unshaken {
        Unshaken { why: error.to_string(), certificate: self.shown() }
    }
}

impl ClientCertVerifier for Judge {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate(end_entity));
        self.authorities.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificate_is_its_names_and_its_fingerprint() {
        let mut params = CertificateParams::new(vec!["VPN.example.com".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::from([192, 0, 2, 1])));
        params.subject_alt_names.push(SanType::Rfc822Name("ann@example.com".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "Office 1");
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = certificate(made.der());
        assert_eq!(read.names, ["office 1", "vpn.example.com", "192.0.2.1"]);
        assert_eq!(read.name(), "office 1");
        assert_eq!(read.fingerprint.0, <[u8; 32]>::from(Sha256::digest(made.der())));
    }

    #[test]
    fn names_without_number_or_end_do_not_count() {
        let mut params = CertificateParams::new((0..40).map(|n| format!("n{n}.example")).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "x".repeat(2_000));
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = certificate(made.der());
        assert_eq!(read.names.len(), NAMES);
        assert_eq!(read.name(), "n0.example");
    }

    #[test]
    fn octets_that_are_no_certificate_have_a_fingerprint() {
        for octets in [&b""[..], b"\x30", b"\x30\x82\xff\xff\x00", &[0x30; 64]] {
            let read = certificate(&CertificateDer::from(octets));
            assert_eq!(read.names, Vec::<String>::new());
        }
    }

    #[test]
    fn a_file_that_cannot_serve_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("empty.pem"), "hunter2").unwrap();
        let fault = Tls::read(&at("empty.pem"), &at("empty.pem"), &at("empty.pem")).unwrap_err().to_string();
        assert!(fault.contains("empty.pem") && !fault.contains("hunter2"), "{fault}");
        let made = rcgen::generate_simple_self_signed(vec!["radgram".to_owned()]).unwrap();
        std::fs::write(at("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let other = KeyPair::generate().unwrap();
        std::fs::write(at("other.pem"), other.serialize_pem()).unwrap();
        assert!(Tls::read(&at("cert.pem"), &at("other.pem"), &at("cert.pem")).is_err());
        assert!(Tls::read(&at("cert.pem"), &at("nowhere.pem"), &at("cert.pem")).is_err());
        Tls::read(&at("cert.pem"), &at("key.pem"), &at("cert.pem")).unwrap();
    }
}
