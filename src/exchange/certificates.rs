//! The root certificates that TLS trusts: the system's, and those an application or the environment adds.

use std::io::Read;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::environment::Environment;

/// Many times the size of a system's whole bundle.
const LONGEST_FILE: u64 = 16 << 20;

/// Certificates to trust beside the system's. A file is read when the first TLS connection is made, not before.
#[derive(Debug, Default, Clone)]
pub(crate) struct RootCertificates {
    given: Vec<CertificateDer<'static>>,
    file: Option<CertificateFile>,
}

#[derive(Debug, Clone)]
struct CertificateFile {
    variable: &'static str,
    path: PathBuf,
}

impl RootCertificates {
    /// The file that `CODEX_CA_CERTIFICATE` names, else the one of `SSL_CERT_FILE`.
    pub(crate) fn from_environment(environment: &Environment) -> Self {
        let file = ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"].into_iter().find_map(|variable| {
            let path = environment.value(variable)?.into();
            Some(CertificateFile { variable, path })
        });
        Self { given: Vec::new(), file }
    }

    /// Adds the certificates of a PEM text.
    pub(crate) fn add_pem(&mut self, pem: &[u8]) -> Result<(), String> {
        self.given.extend(parse_pem(pem)?);
        Ok(())
    }

    /// All certificates to add. Reads the file, so not to be called on an async thread.
    pub(super) fn load(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let mut certificates = self.given.clone();
        if let Some(CertificateFile { variable, path }) = &self.file {
            let describe = |reason: String| format!("the file {} named by {variable} {reason}", path.display());
            let mut pem = Vec::new();
            let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut pem));
            read.map_err(|error| describe(format!("cannot be read: {error}")))?;
            certificates.extend(parse_pem(&pem).map_err(|reason| describe(format!("is not usable: {reason}")))?);
        }
        Ok(certificates)
    }
}

fn parse_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    // OpenSSL's own label: the certificate, followed by OpenSSL's trust settings in the same section.
    let text = String::from_utf8_lossy(pem).replace(" TRUSTED CERTIFICATE-----", " CERTIFICATE-----");
    let text = text.trim_start_matches('\u{feff}');
    let mut certificates = Vec::new();
    for (index, section) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
        let number = index + 1;
        let section = section.map_err(|error| format!("certificate {number} is not valid PEM ({error})"))?;
        let length = der_item_length(&section).ok_or_else(|| format!("certificate {number} is not valid DER"))?;
        certificates.push(CertificateDer::from(section[..length].to_vec()));
    }
    if certificates.is_empty() {
        return Err("it holds no certificate in PEM form".to_owned());
    }
    let mut check = rustls::RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        check.add(certificate.clone()).map_err(|error| format!("certificate {} is refused ({error})", index + 1))?;
    }
    Ok(certificates)
}

/// The length of the DER sequence at the start of `bytes`, header included.
fn der_item_length(bytes: &[u8]) -> Option<usize> {
    let (&tag, &first) = (bytes.first()?, bytes.get(1)?);
    if tag != 0x30 {
        return None;
    }
    let length = match first {
        0..=0x7f => 2 + usize::from(first),
        0x81..=0x84 => {
            let octets = bytes.get(2..2 + usize::from(first & 0x7f))?;
            octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)) + 2 + octets.len()
        }
        _ => return None,
    };
    (length <= bytes.len()).then_some(length)
}
