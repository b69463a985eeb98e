//! `trust HOST` and `test HOST`.

use super::args::{HostArg, TrustArgs};
use super::output::{Output, ask};
use crate::core::model::visible;
use crate::core::plan::Outcome;
use crate::ops::{self, Context, Error};

pub(super) fn run(context: &Context, args: &TrustArgs, output: &Output) -> Result<Outcome, Error> {
    let offered = ops::offered_keys(context, &args.host)?;
    for key in &offered.keys {
        output.say(&format!(
            "{}  {}",
            visible(&key.fingerprint),
            visible(&key.kind)
        ));
    }
    if !args.yes {
        output
            .say("Compare with the host itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
        match ask(&format!("Trust these keys of {}?", args.host), "yes") {
            Some(true) => {}
            Some(false) => {
                return Err(Error::NotConfirmed {
                    what: "Not trusted.",
                });
            }
            None => {
                return Err(Error::NobodyToAsk {
                    what: "Not trusted",
                });
            }
        }
    }
    ops::trust(&offered)?;
    output.say(&format!("Trusted, in {}.", offered.known_hosts));
    Ok(Outcome::Done)
}

pub(super) fn test(context: &Context, args: &HostArg, output: &Output) -> Result<Outcome, Error> {
    let result = ops::test_host(context, &args.host)?;
    output.data(&result, |_| {
        result
            .iter()
            .map(|step| {
                format!(
                    "{} {}: {}\n",
                    if step.ok { "ok     " } else { "PROBLEM" },
                    step.what,
                    visible(&step.message)
                )
            })
            .collect()
    });
    Ok(if result.iter().all(|step| step.ok) {
        Outcome::Done
    } else {
        Outcome::Failed
    })
}
