use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

use crate::files;

/// A certificate authority of one's own, and what it has signed, as PEM files.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Certificates {
    /// A new authority.
    pub fn new() -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        name(&mut params, "Tidegate kit authority");
        let authority = CertifiedIssuer::self_signed(params, key());
        let authority = authority.unwrap_or_else(|e| panic!("cannot make an authority: {e}"));
        let folder = files::temporary("certificates");
        files::write(&folder.path().join("ca.crt"), authority.pem());
        Self { folder, authority }
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The folder all files are in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A server certificate for `localhost`, `127.0.0.1` and `::1`.
    pub fn server(&self) -> Identity {
        self.server_for("server", &["localhost", "127.0.0.1", "::1"])
    }

    /// A server certificate for these names and addresses, in the files `<file>.crt` and `.key`.
    /// Asked again for the same file it replaces it: that is a rotation.
    pub fn server_for(&self, file: &str, names: &[&str]) -> Identity {
        let mut params = params(names);
        name(&mut params, names.first().unwrap_or(&file));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(file, &params)
    }

    /// A server certificate for a name that no test server has.
    pub fn wrong_name(&self) -> Identity {
        self.server_for("wrong-name", &["elsewhere.invalid"])
    }

    /// A server certificate for loopback whose time is over.
    pub fn expired(&self) -> Identity {
        let mut params = params(&["localhost", "127.0.0.1"]);
        name(&mut params, "localhost");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign("expired", &params)
    }

    /// A client certificate with this common name.
    pub fn client(&self, common_name: &str) -> Identity {
        let mut params = params(&[]);
        name(&mut params, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&format!("client-{common_name}"), &params)
    }

    fn sign(&self, file: &str, params: &CertificateParams) -> Identity {
        let key = key();
        let signed = params.signed_by(&key, &self.authority);
        let signed = signed.unwrap_or_else(|e| panic!("cannot sign {file}: {e}"));
        let identity = Identity {
            certificate: self.folder.path().join(format!("{file}.crt")),
            key: self.folder.path().join(format!("{file}.key")),
        };
        // Each file is whole at every moment, as a careful rotation tool would have it.
        replace(&identity.key, &key.serialize_pem());
        replace(&identity.certificate, &signed.pem());
        identity
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    files::write(&beside, text);
    // libpq and PostgreSQL refuse a key that others may read.
    let mode = fs::set_permissions(&beside, fs::Permissions::from_mode(0o600));
    mode.unwrap_or_else(|e| panic!("cannot protect {}: {e}", beside.display()));
    fs::rename(&beside, path).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names
        .iter()
        .map(|name| {
            name.parse::<IpAddr>()
                .map_or_else(|_| (*name).to_owned(), |ip| ip.to_string())
        })
        .collect();
    let mut params = CertificateParams::new(names).unwrap_or_else(|e| panic!("bad name: {e}"));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}

fn name(params: &mut CertificateParams, common_name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|e| panic!("cannot make a key: {e}"))
}
