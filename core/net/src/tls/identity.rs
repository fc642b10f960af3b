use aws_lc_rs::digest;
use rustls::Connection;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a finished handshake tells about the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The server name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The common name of the client's certificate, once checked.
    pub common_name: Option<String>,
    /// The DNS names and e-mail addresses of the client's certificate.
    pub alternative_names: Vec<String>,
    /// The protocol agreed on by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// What `tls-server-end-point` channel binding binds to: the hash of our own certificate (RFC 5929, section 4).
    pub end_point: Vec<u8>,
}

impl Identity {
    pub(super) fn read(session: &Connection, end_point: Vec<u8>) -> Self {
        let server_name = match session {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        };
        let mut identity = Self {
            server_name,
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            end_point,
            ..Self::default()
        };
        if let Some(certificate) = session.peer_certificates().and_then(|chain| chain.first()) {
            identity.read_names(certificate);
        }
        identity
    }

    fn read_names(&mut self, certificate: &CertificateDer<'_>) {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return;
        };
        self.common_name = certificate
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok().map(str::to_owned));
        let Ok(Some(names)) = certificate.subject_alternative_name() else {
            return;
        };
        self.alternative_names = names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect();
    }
}

/// The `tls-server-end-point` channel binding of a server's certificate: its hash with the hash function of its own
/// signature, or SHA-256 where that is MD5 or SHA-1 (RFC 5929, section 4.1). `None` where the signature names no hash
/// (Ed25519), for which the binding is undefined.
pub fn end_point_binding(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // sha384WithRSAEncryption, ecdsa-with-SHA384
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        // sha512WithRSAEncryption, ecdsa-with-SHA512
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        // md5, sha1 and sha256 with RSA; ecdsa with SHA1 and SHA256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => &digest::SHA256,
        _ => return None,
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}
