//! Connections: what they are told about the server, and what every one of them is set to.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable as _;
use mysql::{ClientIdentity, Conn, Opts, OptsBuilder, SslOpts};

use crate::store::StoreError;

use super::address::{Password, ServerAddress, TlsMode};
use super::errors;

/// A server that is there answers within milliseconds, one across the world within a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// No statement of ours takes as long, so a server that says nothing for longer is stuck or gone.
const SILENCE: Duration = Duration::from_secs(120);

/// A migration of millions of rows may take its time.
pub(super) const SILENCE_WHILE_MIGRATING: Duration = Duration::from_secs(3 * 3600);

/// After this long without a word the other end is asked whether it is there, and taken for gone half a minute later.
const KEEPALIVE_MS: u32 = 30_000;
const KEEPALIVE_INTERVAL_SECS: u32 = 10;
const KEEPALIVE_PROBES: u32 = 3;

/// Statements kept prepared a connection: all of ours fit.
const PREPARED: usize = 96;

/// A password longer than this is none.
const LONGEST_PASSWORD: u64 = 64 * 1024;

/// The oldest MariaDB that is looked after by its makers, and knows all that the schema needs.
const OLDEST: (u32, u32) = (10, 6);

/// What differs from server to server must not differ for us.
///
/// - Names compare byte by byte, blanks at their end included.
/// - A value that does not fit is an error.
/// - What a transaction reads is one state. Writers take turns, so that none reads what another has changed meanwhile.
/// - A writer that has been stopped, or cut off without a word, loses its turn: everybody waits for it, and nobody longer
///   than a lock is waited for. Ours say nothing for milliseconds.
const SETTINGS: [&str; 4] = [
    "SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
     time_zone = '+00:00', autocommit = 1, foreign_key_checks = 1, unique_checks = 1, \
     check_constraint_checks = 1, sql_safe_updates = 0, sql_select_limit = DEFAULT, \
     innodb_lock_wait_timeout = 10, lock_wait_timeout = 60, net_write_timeout = 600",
    IDLE_WRITER,
];

/// In seconds.
pub(super) const IDLE_WRITER: &str = "SET SESSION idle_write_transaction_timeout = 3";

/// Opens the first connection: is it a server that we can work with?
pub(super) fn first(address: &ServerAddress) -> Result<Conn, StoreError> {
    let mut conn = open(address, SILENCE_WHILE_MIGRATING)?;
    must_be_supported(address, &mut conn)?;
    set_up(address, &mut conn)?;
    Ok(conn)
}

/// Opens one more connection to a server that has been looked at.
pub(super) fn connect(address: &ServerAddress) -> Result<Conn, StoreError> {
    let mut conn = open(address, SILENCE)?;
    set_up(address, &mut conn)?;
    Ok(conn)
}

fn open(address: &ServerAddress, silence: Duration) -> Result<Conn, StoreError> {
    let options = options(address, silence)?;
    Conn::new(options).map_err(|error| errors::classify(address, error))
}

fn set_up(address: &ServerAddress, conn: &mut Conn) -> Result<(), StoreError> {
    for setting in SETTINGS {
        conn.query_drop(setting)
            .map_err(|error| errors::classify(address, error))?;
    }
    Ok(())
}

fn options(address: &ServerAddress, silence: Duration) -> Result<Opts, StoreError> {
    let options = OptsBuilder::new()
        .ip_or_hostname(Some(address.host.as_str()))
        .tcp_port(address.port)
        .socket(address.socket.as_deref())
        // Else the library would leave TCP for whatever socket the server names.
        .prefer_socket(false)
        .user(Some(address.user.as_str()))
        .pass(password(address)?)
        .db_name(Some(address.name.as_str()))
        .ssl_opts(tls(address))
        .stmt_cache_size(PREPARED)
        .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
        .read_timeout(Some(silence))
        .write_timeout(Some(SILENCE))
        .tcp_keepalive_time_ms(Some(KEEPALIVE_MS))
        .tcp_keepalive_probe_interval_secs(Some(KEEPALIVE_INTERVAL_SECS))
        .tcp_keepalive_probe_count(Some(KEEPALIVE_PROBES))
        .tcp_user_timeout_ms(Some(2 * KEEPALIVE_MS))
        // A statement tells how many rows it met, as with SQLite, and not how many it made different.
        .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS);
    Ok(options.into())
}

fn tls(address: &ServerAddress) -> Option<SslOpts> {
    let tls = &address.tls;
    let options = SslOpts::default()
        .with_root_cert_path(tls.authorities.as_ref().map(PathBuf::from))
        .with_client_identity(tls.identity.as_ref().map(|(certificate, key)| {
            ClientIdentity::new(PathBuf::from(certificate), PathBuf::from(key))
        }));
    match tls.mode {
        TlsMode::Disabled => None,
        TlsMode::Required => Some(
            options
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true),
        ),
        TlsMode::VerifyAuthority => Some(options.with_danger_skip_domain_validation(true)),
        TlsMode::VerifyIdentity => Some(options),
    }
}

fn password(address: &ServerAddress) -> Result<Option<String>, StoreError> {
    match &address.password {
        Password::None => Ok(None),
        Password::Given(password) => Ok(Some(password.clone())),
        Password::File(path) => {
            let mut text = String::new();
            File::open(path)
                .and_then(|file| file.take(LONGEST_PASSWORD).read_to_string(&mut text))
                .map_err(|source| StoreError::PasswordFile {
                    path: path.clone(),
                    source,
                })?;
            Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
        }
        Password::Environment(name) => match std::env::var(name) {
            Ok(password) => Ok(Some(password)),
            Err(_) => Err(StoreError::PasswordVariable { name: name.clone() }),
        },
    }
}

fn must_be_supported(address: &ServerAddress, conn: &mut Conn) -> Result<(), StoreError> {
    let found: String = conn
        .query_first("SELECT VERSION()")
        .map_err(|error| errors::classify(address, error))?
        .unwrap_or_default();
    if is_supported(&found) {
        return Ok(());
    }
    Err(StoreError::Server {
        database: address.to_string(),
        found,
        oldest: format!("MariaDB {}.{}", OLDEST.0, OLDEST.1),
    })
}

/// Says that a server of this version can be worked with: `10.11.19-MariaDB-0+deb12u1`, and not `8.0.36`, which is MySQL.
fn is_supported(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    version.contains("MariaDB") && (major, minor) >= OLDEST
}

#[cfg(test)]
mod tests {
    use super::is_supported;

    #[test]
    fn a_server_that_is_too_old_or_no_mariadb_is_not_worked_with() {
        for version in [
            "10.11.19-MariaDB-0+deb12u1",
            "10.6.1-MariaDB",
            "11.8.2-MariaDB-log",
            "12.0.1-MariaDB",
        ] {
            assert!(is_supported(version), "{version}");
        }
        for version in [
            "8.0.36",
            "9.1.0-log",
            "10.5.28-MariaDB",
            "5.5.5-10.5-MariaDB",
            "MariaDB",
            "",
            "10",
        ] {
            assert!(!is_supported(version), "{version}");
        }
    }
}
