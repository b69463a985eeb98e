//! The `smtp` node.

use super::node::Reader;
use super::syntax::Node;
use crate::core::desired::{Finding, SmtpPart, Spanned};
use crate::core::model::{SmtpTls, is_this_machine};

impl Reader<'_> {
    pub(super) fn smtp(&mut self, part: &mut SmtpPart, node: &Node<'_>) {
        const KNOWN: [&str; 6] = ["host", "port", "tls", "from", "user", "password"];
        self.shape(node, 0, &[]);
        let at = self.at_node(node);
        if let Some(first) = part.at.replace(at) {
            let help = "put all of it into one";
            let twice = Finding::error("twice", at, "`smtp` stands twice", "again here", help);
            self.push(twice.also(first, "first here"));
        }
        for child in node.iter_children() {
            macro_rules! referable {
                ($field:ident, $what:literal) => {{
                    let value = self
                        .value(child, $what)
                        .and_then(|entry| self.referable(entry));
                    self.set(&mut part.$field, child, value);
                }};
            }
            match child.name().value() {
                "host" => referable!(host, "an address"),
                "port" => {
                    let value = self
                        .value(child, "a port")
                        .and_then(|entry| self.number(entry, 1, u16::MAX.into()));
                    let value = value.map(|n| Spanned {
                        value: u16::try_from(n.value).unwrap_or(u16::MAX),
                        at: n.at,
                    });
                    self.set(&mut part.port, child, value);
                }
                "tls" => {
                    let value = self
                        .value(child, "a word")
                        .and_then(|entry| self.parsed(entry));
                    self.set(&mut part.tls, child, value);
                }
                "from" => referable!(from, "a mail address"),
                "user" => referable!(user, "a name"),
                "password" => referable!(password, "a password"),
                _ => self.unknown(child, "in `smtp`", &KNOWN),
            }
        }
        self.check_smtp(part);
    }

    fn check_smtp(&mut self, part: &SmtpPart) {
        let lone = match (&part.user, &part.password) {
            (Some(user), None) => Some((user.at, "password")),
            (None, Some(password)) => Some((password.at, "user")),
            _ => None,
        };
        if let Some((at, other)) = lone {
            let message = format!("without `{other}` nobody logs in to the mail server");
            let help = format!("add `{other}`, or take this off");
            let lone = Finding::error("missing-value", at, message, "of no effect", help);
            self.push(lone.as_warning());
        }
        if let Some(password) = part
            .password
            .as_ref()
            .filter(|p| p.value.literal().is_some())
        {
            self.wrong(
                "password-in-the-file",
                password.at,
                "a password in the configuration is read by everybody who reads the repository",
                "write `(file)\"/run/credentials/smtp\"` or `(env)\"NAME\"`",
            );
        }
        let host = part.host.as_ref().map(|host| host.value.to_string());
        let is_far = host.is_some_and(|host| !is_this_machine(&host));
        if let (true, Some(tls), Some(password)) = (is_far, &part.tls, &part.password)
            && tls.value == SmtpTls::None
        {
            let help = "write `tls \"starttls\"` or `tls \"tls\"`";
            let wrong = Finding::error(
                "password-in-the-clear",
                password.at,
                "the password would cross the network in the clear",
                "this password",
                help,
            );
            self.push(wrong.also(tls.at, "because of this"));
        }
    }
}
