use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::NetError;

#[allow(clippy::needless_pass_by_value, reason = "every caller has an error to hand over")]
pub(super) fn wrong(file: &Path, reason: impl ToString) -> NetError {
    NetError::Certificate {
        file: file.display().to_string(),
        reason: reason.to_string(),
    }
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, NetError> {
    std::fs::read(file).map_err(|error| wrong(file, error))
}

pub(super) fn chain(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(file, error))?;
    if found.is_empty() {
        return Err(wrong(file, "holds no certificate in PEM form"));
    }
    Ok(found)
}

/// PKCS#8, PKCS#1 or SEC1.
pub(super) fn key(file: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, NetError> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| wrong(file, format!("holds no private key in PEM form: {error}")))
}

pub(super) fn roots(file: &Path) -> Result<RootCertStore, NetError> {
    let mut store = RootCertStore::empty();
    for certificate in chain(file, &read(file)?)? {
        store.add(certificate).map_err(|error| wrong(file, error))?;
    }
    Ok(store)
}
