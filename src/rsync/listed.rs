//! What it means that a transfer of listed names ended as it did.

use super::Ended;
use super::difference::Surprise;

/// A transfer of listed names that brought all it could, and why it did not bring the rest.
#[derive(Debug, Clone)]
pub struct Brought {
    /// What the transfer said.
    pub ended: Ended,
    /// Names that had gone by the time they were asked for.
    pub vanished: usize,
    /// Names that could not be read.
    pub unreadable: usize,
}

/// Says whether a transfer brought every listed name but those that it told of. What the comparison said before it,
/// which went well, is no complaint: the banner of the host, say.
///
/// # Errors
/// When it ended in any way that does not say of each name what became of it.
pub fn brought(ended: Ended, compared: &Ended) -> Result<Brought, Surprise> {
    let (mut vanished, mut unreadable) = (0, 0);
    for line in &ended.complaints {
        let is_summary = line.starts_with("rsync error: ") || line.starts_with("rsync warning: ");
        if is_gone(line) {
            vanished += 1;
        } else if line.contains("send_files failed to open \"") {
            unreadable += 1;
        } else if ended.exit != Some(0) && !is_summary && !compared.complaints.contains(line) {
            return Err(Surprise(format!("rsync said: {line}")));
        }
    }
    let is_explained = match ended.exit {
        Some(0) => vanished + unreadable == 0,
        Some(23 | 24) => vanished + unreadable > 0,
        _ => false,
    };
    if !is_explained || ended.dropped > 0 {
        let exit = ended.exit.map_or("a signal".to_owned(), |n| n.to_string());
        return Err(Surprise(format!("rsync ended with {exit}")));
    }
    Ok(Brought {
        ended,
        vanished,
        unreadable,
    })
}

/// A listed name that is not there is `link_stat … failed`, one that goes a moment later `file has vanished`.
fn is_gone(line: &str) -> bool {
    let is_absent = line.contains("link_stat \"")
        && (line.ends_with("No such file or directory (2)")
            || line.ends_with("Not a directory (20)"));
    is_absent || line.starts_with("file has vanished: \"")
}

impl Brought {
    /// Names that did not come.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.vanished + self.unreadable
    }

    /// The end of the whole pull, told as that of one transfer: `compared` is the comparison before it.
    ///
    /// Names that had gone are told as rsync tells of those that go while it reads them; `link_stat` would mean that a
    /// source is not there.
    #[must_use]
    pub fn with(self, compared: &Ended) -> Ended {
        let mut ended = self.ended.after(compared);
        for line in &mut ended.complaints {
            *line = as_vanished(line);
        }
        ended.exit = Some(if self.unreadable > 0 {
            23
        } else if self.vanished > 0 || compared.exit == Some(24) {
            24
        } else {
            0
        });
        ended
    }
}

impl Ended {
    /// The end of a pull of which `compared` was the comparison before.
    #[must_use]
    pub fn after(mut self, compared: &Self) -> Self {
        let mut stats = compared.stats.clone();
        stats.transferred = self.stats.transferred;
        stats.bytes_transferred = sum(stats.bytes_transferred, self.stats.bytes_transferred);
        self.stats = stats;
        let said = std::mem::take(&mut self.complaints);
        self.complaints = compared.complaints.iter().cloned().chain(said).collect();
        self.dropped += compared.dropped;
        self
    }

    /// The end of a pull of which nothing had to be brought.
    #[must_use]
    pub fn without_transfer(mut self) -> Self {
        self.stats.transferred = Some(0);
        self
    }
}

fn as_vanished(line: &str) -> String {
    let name = line
        .split_once("link_stat \"")
        .filter(|_| is_gone(line))
        .and_then(|(_, rest)| rest.rsplit_once("\" failed"));
    match name {
        Some((name, _)) => format!("file has vanished: \"{name}\""),
        None => line.to_owned(),
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: i32, complaints: &[&str]) -> Ended {
        Ended {
            exit: Some(exit),
            complaints: complaints.iter().map(ToString::to_string).collect(),
            ..Ended::default()
        }
    }

    const GONE: &str = "rsync: [sender] link_stat \"/etc/x\" failed: No such file or directory (2)";
    const CODE: &str = "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1956) [generator=3.5.0]";

    #[test]
    fn names_that_have_gone_are_told_as_vanished() {
        let compared = ended(0, &["Authorized use only"]);
        let said = ended(23, &["Authorized use only", GONE, CODE]);
        let brought = brought(said, &compared).unwrap();
        assert_eq!((brought.vanished, brought.unreadable), (1, 0));
        let whole = brought.with(&ended(0, &[]));
        assert_eq!(whole.exit, Some(24));
        assert!(
            whole
                .complaints
                .contains(&"file has vanished: \"/etc/x\"".to_owned())
        );
    }

    #[test]
    fn names_that_cannot_be_read_make_it_partial() {
        let line = "rsync: [sender] send_files failed to open \"/etc/x\": Permission denied (13)";
        let compared = ended(0, &[]);
        let whole = brought(ended(23, &[line, CODE]), &compared).unwrap();
        let whole = whole.with(&compared);
        assert_eq!(whole.exit, Some(23));
        assert_eq!(whole.complaints[0], line);
    }

    #[test]
    fn whatever_else_is_said_is_a_surprise() {
        for (exit, said) in [
            (23, &[CODE][..]),
            (0, &[GONE]),
            (12, &[GONE]),
            (
                23,
                &[
                    GONE,
                    "rsync: [receiver] mkstemp \"/x\" failed: No space left on device (28)",
                ],
            ),
            (24, &["hello"]),
        ] {
            assert!(
                brought(ended(exit, said), &ended(0, &[])).is_err(),
                "{exit} {said:?}"
            );
        }
    }
}
