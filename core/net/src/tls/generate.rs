use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::files::wrong;
use crate::{NetError, TlsGenerate};

const CA: &str = "ca.crt";
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// A certificate and key in PEM form, from the directory if it holds them, else made now.
pub(super) fn load_or_make(generate: &TlsGenerate) -> Result<(String, String), NetError> {
    let Some(directory) = &generate.directory else {
        let made = make(&generate.names).map_err(|error| wrong(Path::new("tls.generate"), error))?;
        return Ok((made.certificate, made.key));
    };
    let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
    if certificate.exists() && key.exists() {
        let read = |file: &Path| std::fs::read_to_string(file).map_err(|error| wrong(file, error));
        return Ok((read(&certificate)?, read(&key)?));
    }
    let made = make(&generate.names).map_err(|error| wrong(directory, error))?;
    std::fs::create_dir_all(directory).map_err(|error| wrong(directory, error))?;
    write(&directory.join(CA), &made.authority, 0o644)?;
    write(&key, &made.key, 0o600)?;
    write(&certificate, &made.certificate, 0o644)?;
    Ok((made.certificate, made.key))
}

struct Made {
    authority: String,
    certificate: String,
    key: String,
}

/// The authority's key is used once and forgotten: what it signed is all that it ever signs.
fn make(names: &[String]) -> Result<Made, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority
        .distinguished_name
        .push(DnType::CommonName, "Tidegate generated authority");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let names = if names.is_empty() {
        ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
    } else {
        names.to_vec()
    };
    let mut server = CertificateParams::new(names.clone())?;
    server.distinguished_name.push(DnType::CommonName, names[0].clone());
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?;
    Ok(Made {
        authority: issuer.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

fn write(file: &Path, text: &str, mode: u32) -> Result<(), NetError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .map_err(|error| wrong(file, error))
}
