//! Verbs about the installation, the pages, accounts and news.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::{DatabaseArg, LimitArg};
use crate::core::model::{AccountName, HostName, Label, Span, TokenScope};

#[derive(Debug, Args)]
pub(in crate::cli) struct AdoptRootArgs {
    /// Do not ask; needed where there is no terminal
    #[arg(long, short = 'y')]
    pub(in crate::cli) yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CopyDatabaseArgs {
    /// The database to copy: a SQLite file, or mysql://USER@HOST/NAME; it is only read
    #[arg(value_name = "FROM")]
    pub(in crate::cli) from: DatabaseArg,
    /// The empty database to copy to; a file is made
    #[arg(value_name = "TO")]
    pub(in crate::cli) to: DatabaseArg,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Vouch for the present time, so that unattended prunes go on after the machine was off or its clock was wrong
    #[arg(long)]
    pub(in crate::cli) clock_is_right: bool,
    /// Show where the database and the disk disagree, ask, and mend it; deletes nothing that no plan has listed
    #[arg(long, conflicts_with = "clock_is_right")]
    pub(in crate::cli) repair: bool,
    /// Mend without asking
    #[arg(long, requires = "repair")]
    pub(in crate::cli) yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArgs {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub(in crate::cli) listen: std::net::SocketAddr,
    /// The origin that browsers use, where a reverse proxy with TLS stands in front
    #[arg(long, value_name = "URL", env = "POBSYNC_PUBLIC_URL")]
    pub(in crate::cli) public_url: Option<String>,
    /// Another address, on which /metrics is told to whoever asks, without a token
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) metrics_listen: Option<std::net::SocketAddr>,
    /// The certificate chain, PEM; SIGHUP reads it again
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(in crate::cli) tls_certificate: Option<Utf8PathBuf>,
    /// The private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(in crate::cli) tls_key: Option<Utf8PathBuf>,
    /// A reverse proxy whose X-Forwarded-For is believed; several times for several
    #[arg(long = "proxy", value_name = "IP")]
    pub(in crate::cli) proxies: Vec<std::net::IpAddr>,
    /// The time zone of the pages [default: the one that most hosts have]
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) timezone: Option<chrono_tz::Tz>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AccountArgs {
    /// The name of the account
    pub(in crate::cli) name: AccountName,
    /// Read the password from the first line of this file instead of asking; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<Utf8PathBuf>,
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// Make a token and print it, once
    Create(TokenCreateArgs),
    /// List tokens, newest first
    List,
    /// Take a token back
    Revoke {
        /// Its number, from the list
        token: i64,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TokenCreateArgs {
    /// What it is for
    pub(in crate::cli) name: Label,
    /// What it may be used for: read, plan, apply; several by commas
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        value_delimiter = ',',
        required = true
    )]
    pub(in crate::cli) scopes: Vec<TokenScope>,
    /// How long it lasts, for example 52w; for ever if absent
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) expires_in: Option<Span>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    /// One line and the exit codes that Nagios and its kin want: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[arg(long)]
    pub(in crate::cli) nagios: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NotifyArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: NotifyCommand,
}

/// What is done about notifications.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum NotifyCommand {
    /// Send a test to every target of a receiver, or of all, and say what came of it
    Test {
        /// The receiver, as `notify` names it
        #[arg(value_name = "NAME")]
        receiver: Option<Label>,
    },
    /// List what has not been delivered, newest first
    List {
        /// Only to this receiver
        #[arg(long, value_name = "NAME")]
        receiver: Option<Label>,
        /// What has been delivered too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Look for news and send what is due, as every tick of the scheduler does
    Send,
    /// Send everything undelivered now, what was given up too
    Retry {
        /// Only to this receiver
        #[arg(value_name = "NAME")]
        receiver: Option<Label>,
    },
    /// Take away what was given up
    Forget {
        /// Only to this receiver
        #[arg(value_name = "NAME")]
        receiver: Option<Label>,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TrustArgs {
    /// The host
    pub(in crate::cli) host: HostName,
    /// Do not ask; only for machines whose key was checked in another way
    #[arg(long, short = 'y')]
    pub(in crate::cli) yes: bool,
}
