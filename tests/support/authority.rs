//! A certificate authority for RadSec, and what it issues.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use radgram::domain::api::Fingerprint;
use radgram::secret::Secret;
use radgram::sim::router::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use sha2::{Digest, Sha256};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, PEM.
pub struct Issued {
    pub chain: String,
    pub key: String,
    pub fingerprint: Fingerprint,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = named(name, Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// For radgram, at 127.0.0.1.
    pub fn server(&self) -> Issued {
        let mut params = named("radgram", vec!["radgram.example".to_owned()]);
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a router of this common name.
    pub fn client(&self, name: &str) -> Issued {
        self.issue(named(name, Vec::new()), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Issued {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.0).unwrap();
        let fingerprint = Fingerprint(Sha256::digest(made.der()).into());
        Issued { chain: made.pem(), key: key.serialize_pem(), fingerprint }
    }

    /// Writes what radgram needs: its certificate and key, and itself as the authority of clients.
    pub fn furnish(&self, folder: &Path) {
        let server = self.server();
        for (name, text) in [("radsec.crt", server.chain), ("radsec.key", server.key), ("radsec-ca.crt", self.pem())] {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
}

impl Issued {
    /// For a simulated router.
    pub fn on_router(&self) -> Certificate {
        Certificate { chain: self.chain.clone().into_bytes(), key: Secret::new(self.key.clone()) }
    }
}

fn named(name: &str, alternative: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(alternative).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
