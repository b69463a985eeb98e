//! The certificates that receivers are checked against: those of this machine, so that an organisation's own authority
//! counts, else Mozilla's, which the program brings along.

/// Where distributions keep theirs: Debian, Fedora, openSUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The certificates of this machine in PEM: the file that `SSL_CERT_FILE` names, as OpenSSL has it, else the
/// distribution's. `None` where there is none that can be read.
pub(super) fn of_this_machine() -> Option<Vec<u8>> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|name| !name.is_empty());
    match named {
        Some(path) => std::fs::read(path).ok(),
        None => BUNDLES.iter().find_map(|path| std::fs::read(path).ok()),
    }
}
