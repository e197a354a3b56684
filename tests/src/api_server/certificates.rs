//! The certificates of a cluster: an authority, the server's, and an administrator's. IO where written.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Certificates and keys as PEM, by file name.
pub(super) struct Certificates(Vec<(String, String)>);

impl Certificates {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        parameters
            .distinguished_name
            .push(DnType::CommonName, "test");
        let authority = parameters.self_signed(&key).unwrap();
        let mut files = vec![("ca.crt".to_owned(), authority.pem())];
        let issuer = Issuer::new(parameters, key);

        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
        let mut server = CertificateParams::new(names.map(str::to_owned)).unwrap();
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        sign(&mut files, "server", &server, &issuer);

        // The group that may do everything.
        let mut admin = CertificateParams::default();
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        admin.distinguished_name.push(DnType::CommonName, "admin");
        admin
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        sign(&mut files, "admin", &admin, &issuer);
        Self(files)
    }

    pub(super) fn write(&self, folder: &Path) {
        for (name, text) in &self.0 {
            fs::write(folder.join(name), text).unwrap();
        }
    }
}

fn sign(
    files: &mut Vec<(String, String)>,
    name: &str,
    parameters: &CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) {
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, issuer).unwrap();
    files.push((format!("{name}.crt"), certificate.pem()));
    files.push((format!("{name}.key"), key.serialize_pem()));
}
