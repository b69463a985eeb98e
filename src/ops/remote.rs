//! Plans and applies by a server: what is asked, and what its answers mean. The files are read and checked here first.

use serde::{Deserialize, Serialize};

use super::sent::{Applied, ApplyRequest, PlanRequest};
use super::{Error, VERSION};
use crate::core::plan::{FORMAT_VERSION, Outcome, Plan, Refusal};
use crate::courier::{Answer, ask, check_origin};

/// A running `serve`, and the token that it is asked with.
#[derive(Clone)]
pub struct Server {
    origin: String,
    token: String,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Why a request failed, as the server says it (RFC 9457).
#[derive(Debug, Default, Deserialize)]
struct Problem {
    detail: Option<String>,
    help: Option<String>,
    outcome: Option<Outcome>,
    #[serde(default)]
    details: Vec<String>,
    #[serde(default)]
    refusals: Vec<Refusal>,
    #[serde(default)]
    findings: Vec<Finding>,
}

/// A mistake that the server has found and this program has not: their versions differ.
#[derive(Debug, Deserialize)]
struct Finding {
    message: String,
    file: String,
    line: usize,
}

impl Server {
    /// A server to be asked.
    ///
    /// # Errors
    /// When its address cannot be used, or the token is none.
    pub fn new(origin: &str, token: &str) -> Result<Self, Error> {
        check_origin(origin).map_err(|problem| Error::ServerAddress {
            server: origin.to_owned(),
            problem,
        })?;
        let token = token.trim();
        let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_token {
            return Err(Error::NoToken);
        }
        Ok(Self {
            origin: origin.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
        })
    }

    /// Has a plan made.
    ///
    /// # Errors
    /// When the server cannot be reached, says no, or answers with no plan.
    pub fn plan(&self, request: &PlanRequest) -> Result<Plan, Error> {
        self.ask("/api/plan/", request)
    }

    /// Has a configuration applied.
    ///
    /// # Errors
    /// When the server cannot be reached, says no, or does not say what came of it.
    pub fn apply(&self, request: &ApplyRequest) -> Result<Applied, Error> {
        self.ask("/api/apply/", request)
    }

    fn ask<Q: Serialize, A: for<'a> Deserialize<'a>>(
        &self,
        path: &str,
        request: &Q,
    ) -> Result<A, Error> {
        let body = serde_json::to_string(request).map_err(Error::Json)?;
        let answer = ask(&self.origin, path, &self.token, &body).map_err(|error| {
            Error::ServerUnreachable {
                server: self.origin.clone(),
                problem: error.to_string(),
            }
        })?;
        if answer.status == 200 {
            return self.read(&answer);
        }
        Err(self.no(&answer))
    }

    fn read<A: for<'a> Deserialize<'a>>(&self, answer: &Answer) -> Result<A, Error> {
        /// What an answer of a newer program still says.
        #[derive(Default, Deserialize)]
        struct Head {
            format_version: Option<u32>,
            pobsync_version: Option<String>,
        }
        let head: Head = serde_json::from_str(&answer.body).unwrap_or_default();
        let newer = head.format_version.is_some_and(|v| v > FORMAT_VERSION);
        serde_json::from_str(&answer.body)
            .ok()
            .filter(|_| !newer)
            .ok_or_else(|| Error::ServerSays {
                message: format!(
                    "the answer of {} is not what this pobsync understands",
                    self.origin
                ),
                outcome: Outcome::Failed,
                details: Vec::new(),
                help: Some(match head.pobsync_version {
                    Some(there) => {
                        format!("the server runs pobsync {there}, this is {VERSION}: use the same")
                    }
                    None => "is that a pobsync?".to_owned(),
                }),
            })
    }

    fn no(&self, answer: &Answer) -> Error {
        let problem: Option<Problem> = serde_json::from_str(&answer.body).ok();
        let status = answer.status;
        let Some(problem) = problem.filter(|problem| problem.detail.is_some()) else {
            let problem = match status {
                300..=399 => format!("it answered {status}, a redirect, which is not followed"),
                404 | 405 => {
                    format!("it answered {status}: is it a pobsync of at least {VERSION}?")
                }
                _ => format!("it answered {status}"),
            };
            return Error::ServerUnreachable {
                server: self.origin.clone(),
                problem,
            };
        };
        if !problem.refusals.is_empty() {
            return Error::Refused {
                refusals: problem.refusals,
            };
        }
        let found = problem
            .findings
            .into_iter()
            .map(|finding| format!("{}:{}: {}", finding.file, finding.line, finding.message));
        let outcome = problem.outcome.unwrap_or(match status {
            400 | 413 | 422 => Outcome::Invalid,
            500..=599 => Outcome::Unreachable,
            _ => Outcome::Failed,
        });
        Error::ServerSays {
            message: format!(
                "{} says: {}",
                self.origin,
                problem.detail.unwrap_or_default()
            ),
            outcome,
            details: problem.details.into_iter().chain(found).collect(),
            help: problem.help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> Error {
        let server = Server::new("https://backup.example.net/", "secret").unwrap();
        assert!(!format!("{server:?}").contains("secret"));
        server.no(&Answer {
            status,
            body: body.to_owned(),
        })
    }

    #[test]
    fn a_refusal_of_the_server_ends_the_command_as_one_of_its_own() {
        let stale = said(
            409,
            r#"{"detail": "the plan is stale", "outcome": "stale", "details": ["x moved"]}"#,
        );
        assert_eq!(stale.outcome(), Outcome::Stale);
        assert_eq!(stale.details(), ["x moved"]);
        let invalid = said(
            422,
            r#"{"detail": "no", "outcome": "invalid", "findings": [{"message": "m", "file": "f", "line": 3, "more": 1}]}"#,
        );
        assert_eq!(invalid.outcome(), Outcome::Invalid);
        assert_eq!(invalid.details(), ["f:3: m"]);
        assert_eq!(said(403, r#"{"detail": "no"}"#).outcome(), Outcome::Failed);
        assert_eq!(
            said(503, r#"{"detail": "busy"}"#).outcome(),
            Outcome::Unreachable
        );
        for status in [301, 404, 502] {
            assert_eq!(said(status, "<html>").outcome(), Outcome::Unreachable);
        }
    }

    #[test]
    fn a_token_that_is_none_is_not_sent() {
        for token in ["", " \n", "a b", "a\nb", "ü"] {
            assert!(
                Server::new("https://x.example.net", token).is_err(),
                "{token:?}"
            );
        }
        assert!(Server::new("https://x.example.net", "abc\n").is_ok());
    }
}
