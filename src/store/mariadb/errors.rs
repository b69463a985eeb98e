//! What MariaDB and the way to it say, put into the words of the store.

use std::io;

use mysql::{DriverError, Error};

use crate::store::StoreError;

use super::address::ServerAddress;

/// What a failed statement means for the transaction it was part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Others were in the way: undone, the same may work at once.
    Again,
    /// The connection is gone, and with it whatever was not committed.
    Lost,
    /// Anything else: it would fail again.
    Final,
}

// Numbers of mariadb.com/kb/en/mariadb-error-code-reference.
const TOO_MANY_CONNECTIONS: u16 = 1040;
const ACCESS_TO_DATABASE_DENIED: u16 = 1044;
const ACCESS_DENIED: u16 = 1045;
const NOT_READY: u16 = 1047;
const UNKNOWN_DATABASE: u16 = 1049;
const RECORD_CHANGED: u16 = 1020;
const DISK_FULL: u16 = 1021;
const SHUTTING_DOWN: u16 = 1053;
const TABLE_FULL: u16 = 1114;
const HOST_NOT_ALLOWED: u16 = 1130;
const COMMAND_DENIED: u16 = 1142;
const COLUMN_DENIED: u16 = 1143;
const PACKET_TOO_LARGE: u16 = 1153;
const READ_ERROR: u16 = 1158;
const TIMEOUT_ON_WRITE: u16 = 1161;
const TOO_MANY_USER_CONNECTIONS: u16 = 1203;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const PRIVILEGE_NEEDED: u16 = 1227;
const SERVER_READ_ONLY: u16 = 1290;
const INTERRUPTED: u16 = 1317;
const ACCESS_DENIED_WITHOUT_PASSWORD: u16 = 1698;
const SERVER_READ_ONLY_MODE: u16 = 1836;
const CONNECTION_KILLED: u16 = 1927;
const TRANSACTION_IDLE: u16 = 4032;

pub(super) fn trouble(error: &Error) -> Trouble {
    match error {
        Error::MySqlError(error) => match error.code {
            RECORD_CHANGED | LOCK_WAIT_TIMEOUT | DEADLOCK => Trouble::Again,
            NOT_READY
            | SHUTTING_DOWN
            | READ_ERROR..=TIMEOUT_ON_WRITE
            | INTERRUPTED
            | CONNECTION_KILLED
            | TOO_MANY_CONNECTIONS
            | TRANSACTION_IDLE => Trouble::Lost,
            _ => Trouble::Final,
        },
        Error::IoError(_) | Error::CodecError(_) => Trouble::Lost,
        Error::DriverError(
            DriverError::ConnectTimeout
            | DriverError::CouldNotConnect(_)
            | DriverError::PacketOutOfSync
            | DriverError::UnexpectedPacket
            | DriverError::SetupError
            | DriverError::Timeout,
        ) => Trouble::Lost,
        _ => Trouble::Final,
    }
}

/// The store's error for one on the database at `address`.
pub(super) fn classify(address: &ServerAddress, error: Error) -> StoreError {
    let database = address.to_string();
    match error {
        // What is sent in pieces has no number of its own.
        Error::MySqlError(error) if error.message.contains("mysql_send_long_data") => {
            StoreError::TooLarge { database }
        }
        Error::MySqlError(error) => {
            let source = format!("{} (error {})", error.message, error.code).into();
            by_code(address, error.code, source)
        }
        Error::IoError(source) => unreachable_by(database, source),
        Error::CodecError(source) => unreachable_by(database, io::Error::other(source)),
        Error::TlsError(source) => StoreError::Tls {
            database,
            source: Box::new(source),
        },
        Error::DriverError(DriverError::TlsNotSupported) => StoreError::Tls {
            database,
            source: "the server has no TLS".into(),
        },
        Error::DriverError(DriverError::PacketTooLarge) => StoreError::TooLarge { database },
        Error::DriverError(source) => StoreError::Unreachable {
            database,
            source: source.to_string().into(),
        },
        other => StoreError::Database {
            database,
            source: other.to_string().into(),
        },
    }
}

fn unreachable_by(database: String, source: io::Error) -> StoreError {
    StoreError::Unreachable {
        database,
        source: Box::new(source),
    }
}

fn by_code(
    address: &ServerAddress,
    code: u16,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> StoreError {
    let database = address.to_string();
    match code {
        ACCESS_DENIED
        | ACCESS_DENIED_WITHOUT_PASSWORD
        | HOST_NOT_ALLOWED
        | ACCESS_TO_DATABASE_DENIED
        | COMMAND_DENIED
        | COLUMN_DENIED
        | PRIVILEGE_NEEDED => StoreError::Denied {
            database,
            user: address.user.clone(),
            name: address.name.clone(),
            source,
        },
        UNKNOWN_DATABASE => StoreError::NoDatabase {
            database,
            user: address.user.clone(),
            name: address.name.clone(),
        },
        LOCK_WAIT_TIMEOUT | DEADLOCK | RECORD_CHANGED | TOO_MANY_USER_CONNECTIONS => {
            StoreError::Busy { database, source }
        }
        NOT_READY
        | SHUTTING_DOWN
        | READ_ERROR..=TIMEOUT_ON_WRITE
        | INTERRUPTED
        | CONNECTION_KILLED
        | TRANSACTION_IDLE
        | TOO_MANY_CONNECTIONS => StoreError::Unreachable { database, source },
        PACKET_TOO_LARGE => StoreError::TooLarge { database },
        DISK_FULL | TABLE_FULL => StoreError::Full { database },
        SERVER_READ_ONLY | SERVER_READ_ONLY_MODE => StoreError::ReadOnly { database },
        _ => StoreError::Database { database, source },
    }
}
