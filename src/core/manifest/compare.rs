//! Two looks at one name.

use super::item::{Item, What};

/// Something about a name that is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// What kind of thing it is.
    Type,
    /// Its mode bits.
    Mode,
    /// Its owner or group.
    Owner,
    /// When it was last modified.
    Modified,
    /// How many bytes a file has.
    Size,
    /// Where a link points.
    Target,
    /// Which device it is.
    Device,
    /// Extended attributes or ACLs.
    Xattrs,
}

impl Attribute {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Modified => "modified",
            Self::Size => "size",
            Self::Target => "target",
            Self::Device => "device",
            Self::Xattrs => "xattrs",
        }
    }
}

/// What of `found` is not as `expected`, content apart. What one of the two does not know is no difference.
///
/// An inode may differ: a root that was copied to another disk has others.
#[must_use]
pub fn differences(expected: &Item, found: &Item) -> Vec<Attribute> {
    let mut list = Vec::new();
    match (&expected.what, &found.what) {
        (What::File { bytes: a, .. }, What::File { bytes: b, .. }) if a != b => {
            list.push(Attribute::Size);
        }
        (What::Link(a), What::Link(b)) if a != b => list.push(Attribute::Target),
        (What::Block(a, b), What::Block(c, d)) | (What::Character(a, b), What::Character(c, d))
            if (a, b) != (c, d) =>
        {
            list.push(Attribute::Device);
        }
        (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => {
            return vec![Attribute::Type];
        }
        _ => {}
    }
    if expected.mode != found.mode {
        list.push(Attribute::Mode);
    }
    if (expected.uid, expected.gid) != (found.uid, found.gid) {
        list.push(Attribute::Owner);
    }
    if expected.modified != found.modified {
        list.push(Attribute::Modified);
    }
    if let (Some(a), Some(b)) = (expected.xattrs, found.xattrs)
        && a != b
    {
        list.push(Attribute::Xattrs);
    }
    list
}
