//! References in what was sent. Whoever sends a configuration must not be able to point at a file or a variable of the
//! server that nobody there has chosen: a reference is taken only where the same one is in force.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::core::desired::DesiredState;
use crate::core::model::SqlState;
use crate::ops::Error;

/// More than anybody reads.
const TOLD: usize = 20;

/// Refuses references that are not in force at the same setting.
///
/// # Errors
/// With each of them.
pub(super) fn check(state: &SqlState, desired: &DesiredState) -> Result<(), Error> {
    let mut known = BTreeSet::new();
    for host in state.hosts.iter().filter(|host| host.retired.is_none()) {
        each(&json(&host.settings), "", false, &mut |found| {
            known.insert(found.key());
        });
    }
    if let Some(global) = &state.global {
        each(&json(&global.settings), "global", true, &mut |found| {
            known.insert(found.key());
        });
    }
    let mut new = BTreeSet::new();
    for host in &desired.hosts {
        each(&json(&host.settings), "", false, &mut |found| {
            if !known.contains(&found.key()) {
                new.insert(format!(
                    "{} of host {}: {}",
                    found.path, host.name, found.reference
                ));
            }
        });
    }
    each(&json(&desired.global), "global", true, &mut |found| {
        if !known.contains(&found.key()) {
            new.insert(format!("{}: {}", found.path, found.reference));
        }
    });
    if new.is_empty() {
        return Ok(());
    }
    let more = new.len().saturating_sub(TOLD);
    let mut places: Vec<String> = new.into_iter().take(TOLD).collect();
    if more > 0 {
        places.push(format!("and {more} more"));
    }
    Err(Error::NewReferences { places })
}

fn json(settings: &impl Serialize) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

/// A reference, and where it stands.
struct Found<'a> {
    /// The setting, places in lists left out: `ssh.identity`.
    path: &'a str,
    /// As the configuration writes it.
    reference: String,
    /// What stands beside it and decides whom it is told to: the server of a password.
    beside: Option<&'a Value>,
}

impl Found<'_> {
    fn key(&self) -> (String, String, String) {
        let beside = self.beside.map(Value::to_string);
        (
            self.path.to_owned(),
            self.reference.clone(),
            beside.unwrap_or_default(),
        )
    }
}

/// Calls `tell` for each reference below `value`. `whole` takes what stands beside it for a part of it.
fn each(value: &Value, path: &str, whole: bool, tell: &mut dyn FnMut(&Found<'_>)) {
    match value {
        Value::Array(items) => {
            for item in items {
                each(item, path, whole, tell);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                match reference(field) {
                    Some(reference) => tell(&Found {
                        path: &path,
                        reference,
                        beside: whole.then_some(value),
                    }),
                    None => each(field, &path, whole, tell),
                }
            }
        }
        _ => {}
    }
}

/// A reference is an object of one field, `env` or `file`: no setting has such a name.
fn reference(value: &Value) -> Option<String> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    let (kind, name) = fields.iter().next()?;
    let name = name.as_str()?;
    matches!(kind.as_str(), "env" | "file").then(|| format!("({kind}){name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{ApplyRequest, Context, PlanRequest, Sent, apply_sent, plan_sent};

    fn context() -> (tempfile::TempDir, Context) {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("p.db")).unwrap();
        let context = Context::create(&path).unwrap();
        (folder, context)
    }

    fn places(context: &Context, text: &str) -> Vec<String> {
        match plan_sent(context, PlanRequest::of(Sent::alone(text.to_owned()))) {
            Ok(_) => Vec::new(),
            Err(Error::NewReferences { places }) => places,
            Err(error) => panic!("{error:?}"),
        }
    }

    const WITH: &str = r#"global {
            notify "ops" on="failure" { webhook (env)"HOOK" }
            smtp { host "mail.example.net"; from "b@example.net"; user "b"; password (env)"MAIL" }
        }
        host "a" { address "192.0.2.1"; source "/etc"; ssh { identity (file)"/etc/pobsync/key" } }"#;

    #[test]
    fn every_reference_is_told_where_none_is_in_force() {
        let (_folder, context) = context();
        assert_eq!(
            places(&context, WITH),
            [
                "global.notify.targets.webhook: (env)\"HOOK\"",
                "global.smtp.password: (env)\"MAIL\"",
                "ssh.identity of host a: (file)\"/etc/pobsync/key\"",
            ]
        );
    }

    #[test]
    fn one_in_force_is_taken_at_its_own_setting_alone_and_no_password_goes_to_another_server() {
        let (folder, context) = context();
        let file = camino::Utf8PathBuf::from_path_buf(folder.path().join("f.kdl")).unwrap();
        std::fs::write(&file, WITH).unwrap();
        let loaded = crate::ops::load(&file).unwrap();
        let facts = context.facts().unwrap();
        let plan = crate::ops::plan_desired(
            &facts,
            &loaded.desired,
            loaded.source,
            &crate::ops::Asked::default(),
        );
        let (approved, _) =
            crate::ops::to_be_applied(&facts, plan.unwrap(), loaded.desired, false).unwrap();
        crate::ops::apply(&context, &facts, &approved).unwrap();

        assert!(places(&context, WITH).is_empty());
        // Another host with the same key is as good as the first one.
        let more = r#"
        host "b" { address "192.0.2.2"; source "/etc"; ssh { identity (file)"/etc/pobsync/key" } }"#;
        assert!(places(&context, &format!("{WITH}{more}")).is_empty());

        let moved = WITH.replace("address \"192.0.2.1\"", "address (env)\"HOOK\"");
        assert_eq!(
            places(&context, &moved),
            ["address of host a: (env)\"HOOK\""]
        );
        let other = WITH.replace("mail.example.net", "evil.example.net");
        assert_eq!(
            places(&context, &other),
            ["global.smtp.password: (env)\"MAIL\""]
        );
    }

    #[test]
    fn nothing_is_applied_but_the_plan_that_was_seen() {
        let (_folder, context) = context();
        let sent = Sent::alone(
            "host \"a\" { address \"192.0.2.1\"; source \"/etc\"; retention { keep last=2 } }"
                .to_owned(),
        );
        let plan = plan_sent(&context, PlanRequest::of(sent.clone())).unwrap();
        let request = |expect: &str| ApplyRequest {
            configuration: sent.clone(),
            expect: expect.parse().unwrap(),
        };
        let other = request(&format!("sha256:{}", "0".repeat(64)));
        assert!(matches!(
            apply_sent(&context, other),
            Err(Error::NotTheExpectedPlan { .. })
        ));
        let done = apply_sent(&context, request(plan.fingerprint.as_str())).unwrap();
        assert_eq!(done.outcome, crate::core::plan::Outcome::Done);
        let again = apply_sent(&context, request(plan.fingerprint.as_str()));
        assert!(matches!(again, Err(Error::NotTheExpectedPlan { .. })));
    }
}
