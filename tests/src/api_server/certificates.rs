//! The certificates of a cluster: an authority, the server's, and those of its clients. IO where written.

use std::{fs, net::IpAddr, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Certificates and keys as PEM, by file name.
pub(crate) struct Certificates {
    issuer: Issuer<'static, KeyPair>,
    files: Vec<(String, String)>,
}

impl Certificates {
    /// An authority, and the certificate of a server that has these addresses, too.
    pub(crate) fn new(addresses: &[IpAddr]) -> Self {
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
        let mut certificates = Self {
            files: vec![("ca.crt".to_owned(), authority.pem())],
            issuer: Issuer::new(parameters, key),
        };

        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let addresses = addresses.iter().map(IpAddr::to_string);
        let names: Vec<String> = names.into_iter().chain(addresses).collect();
        let mut server = CertificateParams::new(names).unwrap();
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        certificates.sign("server", &server);
        certificates
    }

    /// The certificate of a client with the rights of everybody in its group.
    pub(crate) fn client(&mut self, file: &str, name: &str, group: Option<&str>) {
        let mut parameters = CertificateParams::default();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let names = &mut parameters.distinguished_name;
        names.push(DnType::CommonName, name);
        if let Some(group) = group {
            names.push(DnType::OrganizationName, group);
        }
        self.sign(file, &parameters);
    }

    /// The client that may do everything.
    pub(crate) fn administrator(&mut self) {
        self.client("admin", "admin", Some("system:masters"));
    }

    pub(crate) fn write(&self, folder: &Path) {
        for (name, text) in &self.files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    fn sign(&mut self, name: &str, parameters: &CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        self.files.push((format!("{name}.crt"), certificate.pem()));
        self.files
            .push((format!("{name}.key"), key.serialize_pem()));
    }
}
