//! What rsync says at the end of a transfer (`--stats`).

/// The figures of a transfer. They come from both ends, so that a host can lie in them: they are told, never relied on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Files of every type.
    pub files: Option<u64>,
    /// Regular files.
    pub regular_files: Option<u64>,
    /// Regular files that came over the wire.
    pub transferred: Option<u64>,
    /// Bytes of all files together, shared ones included.
    pub bytes: Option<u64>,
    /// Bytes that came over the wire.
    pub bytes_transferred: Option<u64>,
    /// Devices, sockets and fifos that were left out.
    pub skipped: u64,
}

impl Stats {
    /// Takes one line of rsync's output; says whether it was part of the figures.
    ///
    /// Names cannot pass for figures: rsync writes a name only behind words of its own, and its line ends as `\#012`.
    pub(super) fn take(&mut self, line: &str) -> bool {
        if line.starts_with("skipping non-regular file ") {
            self.skipped += 1;
            return true;
        }
        let Some((label, value)) = line.split_once(": ") else {
            return false;
        };
        match label {
            "Number of files" => {
                self.files = number(value);
                self.regular_files = value
                    .split_once("reg: ")
                    .map_or(Some(0), |(_, rest)| number(rest));
            }
            "Number of regular files transferred" => self.transferred = number(value),
            "Total file size" => self.bytes = number(value),
            // A local pull is a push for rsync: what was sent is what came.
            "Total bytes sent" | "Total bytes received" => {
                self.bytes_transferred = self.bytes_transferred.max(number(value));
            }
            _ => return false,
        }
        true
    }
}

/// The number that `text` begins with; separators of thousands are passed over.
fn number(text: &str) -> Option<u64> {
    let digits: String = text
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(|c| *c != ',')
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Stats;

    #[test]
    fn the_figures_are_read() {
        let mut stats = Stats::default();
        for line in [
            "skipping non-regular file \"dev/null\"",
            "Number of files: 1,234 (reg: 1,000, dir: 200, link: 34)",
            "Number of created files: 3 (reg: 3)",
            "Number of regular files transferred: 2",
            "Total file size: 73400320 bytes",
            "Total bytes received: 512",
        ] {
            stats.take(line);
        }
        let wanted = Stats {
            files: Some(1234),
            regular_files: Some(1000),
            transferred: Some(2),
            bytes: Some(73_400_320),
            bytes_transferred: Some(512),
            skipped: 1,
        };
        assert_eq!(stats, wanted);
    }

    #[test]
    fn what_a_local_pull_sends_to_itself_is_what_came() {
        let mut stats = Stats::default();
        stats.take("Total bytes sent: 55,574,528");
        stats.take("Total bytes received: 1,138");
        assert_eq!(stats.bytes_transferred, Some(55_574_528));
    }

    #[test]
    fn nonsense_is_no_figure_and_no_panic() {
        let mut stats = Stats::default();
        for line in [
            "Number of files: ",
            "Total file size: 99999999999999999999999",
            ": ",
            "Number of files: reg: ",
        ] {
            stats.take(line);
        }
        assert_eq!(stats.bytes, None);
    }
}
