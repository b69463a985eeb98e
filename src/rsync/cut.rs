//! Bytes of a process into lines.

/// A line longer than this is cut: rsync's own are shorter, with a path of 4,096 bytes, each written as five.
const LONGEST_LINE: usize = 24 * 1024;

/// Cuts lines out of pieces of any size; a carriage return ends one too, since progress is told so.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    line: Vec<u8>,
}

impl Cutter {
    /// Takes the next bytes; `hear` is told of each line that is not empty, and says whether to go on.
    pub(super) fn take(&mut self, bytes: &[u8], hear: &mut dyn FnMut(String) -> bool) -> bool {
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                if !self.end(hear) {
                    return false;
                }
            } else if self.line.len() < LONGEST_LINE {
                self.line.push(*byte);
            }
        }
        true
    }

    /// Nothing more comes: what is left is a line as well.
    pub(super) fn end(&mut self, hear: &mut dyn FnMut(String) -> bool) -> bool {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        line.is_empty() || hear(line)
    }
}
