//! TLS to a router: whose certificate is taken, and what a refused handshake means.
//!
//! RouterOS makes its own certificates, mostly without a name that could be checked. So an operator compares a fingerprint
//! once, and then only the certificate with that fingerprint is taken; that the other end has its key is checked as always.
//! Nothing of ours is said before that.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault::unreachable;
use crate::domain::api::{Api, Fingerprint, Trust};
use crate::gate::router_api::ApiFault;

/// Shakes hands with the router at the other end, if it is the one that is trusted.
pub(super) async fn shake_hands(stream: TcpStream, api: &Api) -> Result<TlsStream<TcpStream>, ApiFault> {
    let provider = Arc::new(ring::default_provider());
    let judge = Arc::new(Judge::of(&api.trust, &provider)?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unreachable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&judge) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let handshake = TlsConnector::from(Arc::new(config)).connect(server_name(api), stream);
    handshake.await.map_err(|error| judge.fault(&error))
}

/// A host that is no name in TLS can still be pinned: then no name is said.
fn server_name(api: &Api) -> ServerName<'static> {
    let host = api.address.host.clone();
    ServerName::try_from(host).unwrap_or_else(|_| ServerName::from(std::net::IpAddr::from(Ipv4Addr::UNSPECIFIED)))
}

/// SHA-256 of a certificate.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Fingerprint(Sha256::digest(certificate.as_ref()).into())
}

/// Says whether a certificate is the router's, and remembers one that it did not take.
#[derive(Debug)]
struct Judge {
    rule: Rule,
    provider: Arc<CryptoProvider>,
    refused: OnceLock<Fingerprint>,
}

#[derive(Debug)]
enum Rule {
    /// Exactly this one; none until an operator has compared it.
    Pinned(Option<Fingerprint>),
    /// Any of this authority that names the host.
    Authority(Arc<WebPkiServerVerifier>),
}

impl Judge {
    fn of(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Self, ApiFault> {
        let rule = match trust {
            Trust::Plain | Trust::Pinned(None) => Rule::Pinned(None),
            Trust::Pinned(Some(fingerprint)) => Rule::Pinned(Some(*fingerprint)),
            Trust::Authority(pem) => Rule::Authority(authority(pem, provider)?),
        };
        Ok(Self { rule, provider: Arc::clone(provider), refused: OnceLock::new() })
    }

    /// What a handshake that came to nothing means.
    fn fault(&self, error: &std::io::Error) -> ApiFault {
        if let Some(fingerprint) = self.refused.get() {
            return ApiFault::NotTrusted(*fingerprint);
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            // Without a certificate the service has only anonymous key exchange to offer, which no client should take.
            Some(Error::AlertReceived(AlertDescription::HandshakeFailure)) => ApiFault::NoCertificate,
            _ => unreachable(format_args!("TLS: {error}")),
        }
    }
}

fn authority(pem: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, ApiFault> {
    let unusable =
        |why: &dyn std::fmt::Display| ApiFault::Refused(format!("the authority's certificate is of no use: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map_err(|error| unusable(&error))
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = fingerprint(end_entity);
        let verdict = match &self.rule {
            Rule::Pinned(Some(pinned)) if *pinned == shown => Ok(ServerCertVerified::assertion()),
            Rule::Pinned(_) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
            Rule::Authority(authority) => {
                authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
        };
        if verdict.is_err() {
            // Set at most once: a connection has one handshake.
            let _ = self.refused.set(shown);
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
