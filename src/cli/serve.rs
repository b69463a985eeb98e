//! `serve`: the web pages and the JSON API.

use super::args::{Common, ServeArgs};
use super::file_path;
use super::output::Output;
use crate::core::plan::Outcome;
use crate::ops::{Context, Error};
use crate::web::{ServeOptions, serve};

pub(super) fn run(
    context: Context,
    common: &Common,
    args: ServeArgs,
    output: &Output,
) -> Result<Outcome, Error> {
    let has_accounts = !context.store.accounts()?.is_empty();
    let file = file_path(common, None);
    let options = ServeOptions {
        file: file.exists().then_some(file),
        listen: args.listen,
        public_url: args.public_url,
        tls: args.tls_certificate.zip(args.tls_key),
        proxies: args.proxies,
        zone: args.timezone,
        metrics: args.metrics_listen,
    };
    serve(context, &options, |address, origin| {
        output.say(&format!("Listening on {address}, for {origin}/"));
        if !has_accounts {
            output.say("Nobody can log in yet: pobsync create-superuser NAME");
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    })?;
    Ok(Outcome::Done)
}
