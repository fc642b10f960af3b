use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::files::{chain, key, read, roots, wrong};
use super::identity::end_point_binding;
use super::{provider, versions};
use crate::{NetError, Stream, TlsClient, TlsClientMode};

/// Opens TLS to a server, as strictly as its mode says.
#[derive(Debug)]
pub struct Connector {
    mode: TlsClientMode,
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl Connector {
    /// Reads the files. `alpn` is offered only where the protocol asks for it.
    pub fn build(settings: &TlsClient, alpn: &[&[u8]]) -> Result<Self, NetError> {
        let place = settings.ca.clone().unwrap_or_else(|| "tls".into());
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions(settings.min_version))
            .map_err(|error| wrong(&place, error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier(settings)?);
        let mut config = match (&settings.certificate, &settings.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(private)) => builder
                .with_client_auth_cert(chain(certificate, &read(certificate)?)?, key(private, &read(private)?)?)
                .map_err(|error| wrong(certificate, error))?,
            (Some(file), None) => return Err(wrong(file, "needs its private key: set `key` beside `certificate`")),
            (None, Some(file)) => return Err(wrong(file, "needs its certificate: set `certificate` beside `key`")),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Self {
            mode: settings.mode,
            config: Arc::new(config),
            server_name: settings.server_name.clone(),
        })
    }

    /// How much TLS is asked for.
    pub fn mode(&self) -> TlsClientMode {
        self.mode
    }

    /// The handshake with `host`. Returns the channel binding of the server's certificate, where it has one.
    pub async fn connect(&self, stream: &mut Stream, host: &str) -> Result<Option<Vec<u8>>, NetError> {
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name.clone())
            .map_err(|_| NetError::Handshake(format!("`{name}` is no name that a certificate could carry")))?;
        let session = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| NetError::Handshake(error.to_string()))?;
        stream.handshake_client(session).await?;
        let certificate = stream
            .tls()
            .and_then(|tls| tls.peer_certificates())
            .and_then(<[_]>::first);
        Ok(certificate.and_then(end_point_binding))
    }
}

fn verifier(settings: &TlsClient) -> Result<Arc<dyn ServerCertVerifier>, NetError> {
    let place = || settings.ca.clone().unwrap_or_else(|| "tls.ca".into());
    let checked = |store: RootCertStore| {
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider())
            .build()
            .map_err(|error| wrong(&place(), error))
    };
    Ok(match (settings.mode, &settings.ca) {
        (TlsClientMode::VerifyFull, Some(file)) => checked(roots(file)?)?,
        // libpq does the same: `require` with a root file means verify-ca.
        (TlsClientMode::VerifyCa | TlsClientMode::Require, Some(file)) => Arc::new(AnyName(checked(roots(file)?)?)),
        (TlsClientMode::VerifyFull | TlsClientMode::VerifyCa, None) => {
            return Err(wrong(
                &place(),
                "verifying a server needs `ca`, the trusted authorities",
            ));
        }
        (TlsClientMode::Disable | TlsClientMode::Prefer | TlsClientMode::Require, _) => Arc::new(Unchecked),
    })
}

/// Checks the chain and not the name (`verify-ca`).
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

/// Checks only that the server owns the key of the certificate it shows (`prefer`, `require`).
#[derive(Debug)]
struct Unchecked;

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            // The name is checked last, after the chain was found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
