//! Listening, and stopping when asked.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Address, Handle, Server};
use camino::Utf8PathBuf;
use chrono_tz::Tz;
use tokio::signal::unix::{SignalKind, signal};

use super::app::App;
use super::origin::Origin;
use super::transfers::Transfers;
use super::{metrics, routes};
use crate::ops::{Context, Error};

/// How long requests that are under way may take to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How long the head of a request may take to come, and how long a connection may stay without one: whoever sends neither
/// costs a descriptor, of which there are a thousand.
const SLOWEST_HEAD: Duration = Duration::from_secs(30);

/// How the pages are served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The origin that browsers use, where a reverse proxy stands in between.
    pub public_url: Option<String>,
    /// The certificate chain and the private key, PEM.
    pub tls: Option<(Utf8PathBuf, Utf8PathBuf)>,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
    /// The configuration file on this server, to show which line set a value. Never applied from here.
    pub file: Option<Utf8PathBuf>,
    /// Where times are shown in; else the zone that most hosts have.
    pub zone: Option<Tz>,
    /// The address on which figures are told to whoever asks.
    pub metrics: Option<SocketAddr>,
}

/// Serves until a signal ends it. `ready` hears the address once it is listened on.
///
/// # Errors
/// When passwords would cross a network in clear, or the address or the certificate cannot be used.
pub fn serve(
    context: Context,
    options: &ServeOptions,
    ready: impl FnOnce(SocketAddr, &str),
) -> Result<(), Error> {
    let listener = bound(options.listen)?;
    let figures = options.metrics.map(bound).transpose()?;
    let address = listener
        .local_addr()
        .map_err(|source| failed("listen on", options.listen, source))?;
    let origin = origin(options, address)?;
    let said = origin.to_string();
    let zone = match options.zone {
        Some(zone) => zone,
        None => common_zone(&context)?,
    };
    let app =
        App::new(context, origin, options.proxies.clone(), zone).with_file(options.file.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| failed("start", "the web server", source))?;
    let done = runtime.block_on(run(listener, figures, app, options, move || {
        ready(address, &said);
    }));
    runtime.shutdown_timeout(GRACE);
    done
}

fn bound(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| failed("listen on", address, source))
}

async fn run(
    listener: TcpListener,
    figures: Option<TcpListener>,
    app: App,
    options: &ServeOptions,
    ready: impl FnOnce(),
) -> Result<(), Error> {
    let handle = Handle::new();
    let transfers = app.transfers().clone();
    if let Some(figures) = figures {
        let service = metrics::router(app.clone()).into_make_service();
        let server = axum_server::from_tcp(figures)
            .map_err(|source| failed("serve", "the metrics", source))?;
        let server = impatient(server);
        // It ends with the process: a scrape that is cut off is made again.
        tokio::spawn(server.serve(service));
    }
    let ended = listen(listener, app, options, ready, handle).await;
    // Whatever ended the server: its runs say how they ended.
    transfers.finish().await;
    ended
}

async fn listen(
    listener: TcpListener,
    app: App,
    options: &ServeOptions,
    ready: impl FnOnce(),
    handle: Handle<SocketAddr>,
) -> Result<(), Error> {
    let stopped = |source| failed("serve on", options.listen, source);
    let transfers = app.transfers().clone();
    let service = routes::router(app).into_make_service_with_connect_info::<SocketAddr>();
    match &options.tls {
        None => {
            tokio::spawn(stop_on_signal(handle.clone(), transfers, None)?);
            ready();
            impatient(axum_server::from_tcp(listener).map_err(stopped)?)
                .handle(handle)
                .serve(service)
                .await
                .map_err(stopped)
        }
        Some((chain, key)) => {
            let config = RustlsConfig::from_pem_file(chain, key).await;
            let config = config.map_err(|source| failed("use", chain, source))?;
            let reload = (config.clone(), chain.clone(), key.clone());
            tokio::spawn(stop_on_signal(handle.clone(), transfers, Some(reload))?);
            ready();
            impatient(axum_server::from_tcp_rustls(listener, config).map_err(stopped)?)
                .handle(handle)
                .serve(service)
                .await
                .map_err(stopped)
        }
    }
}

/// The server, which by itself would wait for ever.
fn impatient<A: Address, Acceptor>(mut server: Server<A, Acceptor>) -> Server<A, Acceptor> {
    let mut builder = server.http_builder().http1();
    builder.header_read_timeout(SLOWEST_HEAD);
    // Until its first bytes say which HTTP it speaks, no limit of the protocol counts.
    server.first_request_timeout(SLOWEST_HEAD)
}

/// SIGTERM and SIGINT end it, and ask the backups that it carries out to end; the second one kills them. SIGHUP reads a
/// renewed certificate.
fn stop_on_signal(
    handle: Handle<SocketAddr>,
    transfers: Transfers,
    tls: Option<(RustlsConfig, Utf8PathBuf, Utf8PathBuf)>,
) -> Result<impl Future<Output = ()>, Error> {
    let heard = |kind| signal(kind).map_err(|source| failed("hear", "signals", source));
    let mut terminate = heard(SignalKind::terminate())?;
    let mut interrupt = heard(SignalKind::interrupt())?;
    let mut hangup = heard(SignalKind::hangup())?;
    Ok(async move {
        loop {
            let is_end = std::future::poll_fn(|cx| {
                use std::task::Poll;
                if terminate.poll_recv(cx).is_ready() || interrupt.poll_recv(cx).is_ready() {
                    return Poll::Ready(true);
                }
                hangup.poll_recv(cx).map(|_| false)
            })
            .await;
            if is_end {
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
                transfers.stop();
                handle.graceful_shutdown(Some(GRACE));
                continue;
            }
            if let Some((config, chain, key)) = &tls {
                match config.reload_from_pem_file(chain, key).await {
                    Ok(()) => tracing::info!("the certificate {chain} was read again"),
                    Err(error) => {
                        tracing::error!("the certificate {chain} stays as it was: {error}")
                    }
                }
            }
        }
    })
}

fn origin(options: &ServeOptions, address: SocketAddr) -> Result<Origin, Error> {
    let origin = match &options.public_url {
        Some(url) => Origin::parse(url).map_err(|problem| Error::Program {
            message: format!("--public-url {url} cannot be: {problem}"),
            help: "write it like https://backup.example.net".to_owned(),
        })?,
        None => Origin::of_listener(address, options.tls.is_some()),
    };
    if !origin.is_https() && !origin.is_loopback() {
        return Err(Error::Program {
            message: format!("on {origin} passwords would cross the network in clear"),
            help: "put a reverse proxy with TLS in front and name it with --public-url https://…, or give \
                   --tls-certificate and --tls-key; or listen on 127.0.0.1"
                .to_owned(),
        });
    }
    Ok(origin)
}

/// The zone that most hosts have: people read times in the one they work in.
fn common_zone(context: &Context) -> Result<Tz, Error> {
    let state = context.store.load_state()?;
    let mut counts = std::collections::BTreeMap::<&str, (usize, Tz)>::new();
    for host in state.hosts.iter().filter(|host| host.retired.is_none()) {
        let zone = host.settings.timezone;
        counts.entry(zone.name()).or_insert((0, zone)).0 += 1;
    }
    let most = counts.into_values().max_by_key(|(count, _)| *count);
    Ok(most.map_or(Tz::UTC, |(_, zone)| zone))
}

fn failed(doing: &'static str, what: impl ToString, source: std::io::Error) -> Error {
    Error::File {
        doing,
        path: what.to_string(),
        source,
    }
}
