use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::files::{chain, key, read, roots, wrong};
use super::generate::load_or_make;
use super::identity::{Identity, end_point_binding};
use super::{provider, versions};
use crate::{ClientAuth, NetError, Stream, TlsMode, TlsServer};

/// Accepts TLS on a listener; its certificate can be exchanged while it serves.
#[derive(Debug)]
pub struct Acceptor {
    settings: TlsServer,
    alpn: Vec<Vec<u8>>,
    current: ArcSwap<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    end_point: Vec<u8>,
    expires: i64,
    pem: Pem,
}

#[derive(Debug, PartialEq, Eq, Clone)]
struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

impl Acceptor {
    /// Reads the certificate, or makes one. `alpn` lists the protocols that a client may agree on.
    pub fn build(settings: &TlsServer, alpn: &[&[u8]]) -> Result<Self, NetError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|name| name.to_vec()).collect();
        let loaded = load(settings, &alpn, pem(settings)?)?;
        Ok(Self {
            settings: settings.clone(),
            alpn,
            current: ArcSwap::from_pointee(loaded),
        })
    }

    /// Whether TLS is offered or demanded.
    pub fn mode(&self) -> TlsMode {
        self.settings.mode
    }

    /// Reads the files again; `Ok(true)` when something changed. New handshakes use the new certificate, sessions live
    /// on. On an error the old certificate stays.
    pub fn reload(&self) -> Result<bool, NetError> {
        if self.settings.certificate.is_none() {
            return Ok(false);
        }
        let found = pem(&self.settings)?;
        if found == self.current.load().pem {
            return Ok(false);
        }
        self.current.store(Arc::new(load(&self.settings, &self.alpn, found)?));
        Ok(true)
    }

    /// How long the certificate is still valid; zero when it has expired.
    pub fn expires_in(&self, now: SystemTime) -> Duration {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let expires = u64::try_from(self.current.load().expires).unwrap_or(0);
        Duration::from_secs(expires.saturating_sub(now))
    }

    /// The handshake. `early` is what was already read of the client's first flight.
    pub async fn accept(&self, stream: &mut Stream, early: &[u8]) -> Result<Identity, NetError> {
        let loaded = self.current.load_full();
        let session = ServerConnection::new(Arc::clone(&loaded.config))
            .map_err(|error| NetError::Handshake(error.to_string()))?;
        stream.handshake_server(session, early).await?;
        let session = stream
            .tls()
            .ok_or_else(|| NetError::Handshake("no session".to_owned()))?;
        Ok(Identity::read(session, loaded.end_point.clone()))
    }
}

fn pem(settings: &TlsServer) -> Result<Pem, NetError> {
    let (certificate, key) = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => (read(certificate)?, read(key)?),
        (None, None) => {
            let (certificate, key) = load_or_make(&settings.generate)?;
            (certificate.into_bytes(), key.into_bytes())
        }
        (Some(file), None) => return Err(wrong(file, "needs its private key: set `key` beside `certificate`")),
        (None, Some(file)) => return Err(wrong(file, "needs its certificate: set `certificate` beside `key`")),
    };
    let authority = match &settings.client_ca {
        Some(file) => read(file)?,
        None => Vec::new(),
    };
    Ok(Pem {
        certificate,
        key,
        authority,
    })
}

fn load(settings: &TlsServer, alpn: &[Vec<u8>], pem: Pem) -> Result<Loaded, NetError> {
    let name = settings
        .certificate
        .clone()
        .unwrap_or_else(|| "generated certificate".into());
    let certificates = chain(&name, &pem.certificate)?;
    let key_name = settings.key.clone().unwrap_or_else(|| "generated key".into());
    let private = key(&key_name, &pem.key)?;
    let end_point = end_point_binding(&certificates[0]).unwrap_or_default();
    let expires = not_after(&certificates[0]).ok_or_else(|| wrong(&name, "is no X.509 certificate"))?;

    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(settings.min_version))
        .map_err(|error| wrong(&name, error))?;
    let builder = match (settings.client_auth, &settings.client_ca) {
        (ClientAuth::None, _) => builder.with_client_cert_verifier(Arc::new(NoClientAuth)),
        (_, None) => {
            return Err(wrong(
                &name,
                "client_auth needs client_ca, the authorities to check against",
            ));
        }
        (wanted, Some(authority)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authority)?), provider());
            let verifier = match wanted {
                ClientAuth::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| wrong(authority, error))?)
        }
    };
    let mut config = builder
        .with_single_cert(certificates, private)
        .map_err(|error| wrong(&key_name, error))?;
    config.alpn_protocols = alpn.to_vec();
    // Data threads keep few bytes per idle client; tickets make resumption cheap without a server-side store.
    config.send_tls13_tickets = 1;
    Ok(Loaded {
        config: Arc::new(config),
        end_point,
        expires,
        pem,
    })
}

fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}
