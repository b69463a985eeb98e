//! What a server is set to, as far as it matters to us.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use crate::core::model::ByteCount;
use crate::store::StoreError;

use super::address::{ServerAddress, TlsMode};
use super::{connect, errors};

/// A server as a connection of ours finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLook {
    /// What it says it is: `10.11.19-MariaDB-0+deb12u1`.
    pub version: String,
    /// Whether what it has said to be committed survives a loss of power.
    pub is_durable: bool,
    /// The largest value that it takes.
    pub max_packet: ByteCount,
    /// The largest value that we have given it: a plan.
    pub largest_plan: ByteCount,
    /// The way there.
    pub way: Way,
}

/// How the way to a server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It does not leave this machine.
    Near,
    /// Nobody reads along, and an authority vouches for the server.
    Verified,
    /// Nobody reads along, but anybody may be the server.
    Unverified,
    /// In the clear.
    Clear,
}

impl ServerLook {
    /// Looks at the server at `address`.
    ///
    /// # Errors
    /// As [`super::MariaDb::open`] on the way there.
    pub fn at(address: &ServerAddress) -> Result<Self, StoreError> {
        let mut conn = connect::connect(address)?;
        look(address, &mut conn).map_err(|error| errors::classify(address, error))
    }
}

fn look(address: &ServerAddress, conn: &mut Conn) -> mysql::Result<ServerLook> {
    let version: Option<String> = conn.query_first("SELECT VERSION()")?;
    // Without InnoDB there is no such variable, and no schema of ours either.
    let flushed: Option<i64> =
        conn.query_first("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")?;
    let packet: Option<u64> = conn.query_first("SELECT @@SESSION.max_allowed_packet")?;
    let plan: Option<u64> = conn
        .query_first("SELECT CAST(COALESCE(MAX(OCTET_LENGTH(body)), 0) AS UNSIGNED) FROM plans")?;
    let cipher: Option<(String, String)> =
        conn.query_first("SHOW SESSION STATUS LIKE 'Ssl_cipher'")?;
    let is_encrypted = cipher.is_some_and(|(_, cipher)| !cipher.is_empty());
    Ok(ServerLook {
        version: version.unwrap_or_default(),
        // 3 flushes at each commit too, and at one more moment.
        is_durable: matches!(flushed, Some(1 | 3)),
        max_packet: ByteCount(packet.unwrap_or_default()),
        largest_plan: ByteCount(plan.unwrap_or_default()),
        way: way(address, is_encrypted),
    })
}

fn way(address: &ServerAddress, is_encrypted: bool) -> Way {
    match address.tls.mode {
        _ if address.is_near() => Way::Near,
        _ if !is_encrypted => Way::Clear,
        TlsMode::VerifyAuthority | TlsMode::VerifyIdentity => Way::Verified,
        TlsMode::Required | TlsMode::Disabled => Way::Unverified,
    }
}
