//! What one name in a tree is.

/// The BLAKE3 digest of what a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// The first half of the BLAKE3 digest of extended attributes, ACLs among them; zeros where there are none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct XattrDigest(pub [u8; 16]);

impl XattrDigest {
    /// There are none.
    pub const NONE: Self = Self([0; 16]);
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl std::fmt::Debug for XattrDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// What the kernel says of one name, and the digests of what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Mode bits without the type.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When it was last modified: seconds, and nanoseconds of them.
    pub modified: (i64, u32),
    /// Its inode, which every hard link shares.
    pub inode: u64,
    /// Its extended attributes; nothing where nobody has read them.
    pub xattrs: Option<XattrDigest>,
    /// What it is.
    pub what: What,
}

/// What a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A directory.
    Directory,
    /// A plain file.
    File {
        /// How many bytes it has.
        bytes: u64,
        /// What it holds; nothing where nobody has read it.
        content: Option<Digest>,
    },
    /// A symbolic link, and the bytes it holds.
    Link(Vec<u8>),
    /// A fifo.
    Fifo,
    /// A socket.
    Socket,
    /// A block device: major and minor.
    Block(u32, u32),
    /// A character device: major and minor.
    Character(u32, u32),
}

impl Item {
    /// Says that `other`, found under the same name in an earlier snapshot, is the same inode with the same content as far
    /// as the kernel tells: its digests are taken over and not read again.
    ///
    /// Change times say nothing here: every new hard link sets them.
    #[must_use]
    pub fn is_linked_to(&self, other: &Self) -> bool {
        let bytes = |what: &What| match what {
            What::File { bytes, .. } => Some(*bytes),
            _ => None,
        };
        bytes(&self.what).is_some()
            && (self.inode, self.modified, bytes(&self.what))
                == (other.inode, other.modified, bytes(&other.what))
            && (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
