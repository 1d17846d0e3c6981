//! What this program, as a client, trusts when it speaks TLS: the machine's certificate
//! authorities, and those of a file where one is given.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Why there is nothing to trust.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file with certificates cannot be used.
    #[error("failed to read the certificates in {file}: {why}")]
    File {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// Nobody is trusted here.
    #[error(
        "this machine trusts no certificate authority; install its ca-certificates, or name a file \
         with --ca-file"
    )]
    Nobody,
    /// The library cannot be used.
    #[error("failed to set up TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// For connections that are not encrypted: nobody is trusted, and no file is read.
pub(crate) fn unused() -> Result<ClientConfig, TlsError> {
    config(RootCertStore::empty())
}

/// Trusts the machine's authorities and those in a PEM file.
///
/// # Errors
/// Where the file holds no certificate, or nobody would be trusted.
pub(crate) fn trusting(file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // What of it cannot be read is left out, as every other program of the machine does.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = file {
        add(&mut roots, file)?;
    }
    if roots.is_empty() {
        return Err(TlsError::Nobody);
    }
    config(roots)
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), TlsError> {
    let fault = |why: String| TlsError::File { file: file.display().to_string(), why };
    let text = |error: pem::Error| fault(error.to_string());
    let mut found = 0;
    for certificate in CertificateDer::pem_file_iter(file).map_err(text)? {
        roots.add(certificate.map_err(text)?).map_err(|error| fault(error.to_string()))?;
        found += 1;
    }
    if found == 0 {
        return Err(fault("there is none; it is to be PEM, as of a certificate authority".into()));
    }
    Ok(())
}

fn config(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into());
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        for text in
            ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            std::fs::write(&file, text).unwrap();
            let error = trusting(Some(&file)).unwrap_err().to_string();
            assert!(error.contains("ca.pem"), "{error}");
        }
        assert!(trusting(Some(&dir.path().join("nothing"))).is_err());
        assert!(unused().is_ok());
    }
}
