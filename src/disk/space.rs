//! How much is free, and how the root is mounted.

use rustix::fs::{StatVfsMountFlags, fstatfs, fstatvfs};

use super::error::DiskError;
use super::handle::Handle;
use crate::core::model::Percent;

/// The room on the file system of a root, for whoever asked: what is reserved for root counts as used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub bytes_available: u64,
    /// Bytes of the whole file system.
    pub bytes_total: u64,
    /// Inodes that can still be made; nothing where the file system makes them as needed (btrfs).
    pub inodes_available: Option<u64>,
    /// Inodes of the whole file system.
    pub inodes_total: Option<u64>,
}

impl Space {
    pub(super) fn of(dir: &Handle) -> Result<Self, DiskError> {
        let vfs = fstatvfs(dir).map_err(|e| DiskError::io("ask for the room on", dir.path(), e))?;
        // statvfs(3): blocks are counted in units of f_frsize.
        let bytes = |blocks: u64| blocks.saturating_mul(vfs.f_frsize);
        let has_inodes = vfs.f_files > 0;
        Ok(Self {
            bytes_available: bytes(vfs.f_bavail),
            bytes_total: bytes(vfs.f_blocks),
            inodes_available: has_inodes.then_some(vfs.f_favail),
            inodes_total: has_inodes.then_some(vfs.f_files),
        })
    }

    /// Says that less than `share` of the bytes is free.
    #[must_use]
    pub fn is_short_of_bytes(&self, share: Percent) -> bool {
        is_below(self.bytes_available, self.bytes_total, share)
    }

    /// Says that less than `share` of the inodes is free.
    #[must_use]
    pub fn is_short_of_inodes(&self, share: Percent) -> bool {
        match (self.inodes_available, self.inodes_total) {
            (Some(available), Some(total)) => is_below(available, total, share),
            _ => false,
        }
    }
}

fn is_below(available: u64, total: u64, share: Percent) -> bool {
    u128::from(available) * 100 < u128::from(total) * u128::from(share.get())
}

/// What kind of file system holds a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ext2, ext3 or ext4, which the kernel does not tell apart here.
    Ext,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// ZFS.
    Zfs,
    /// bcachefs.
    Bcachefs,
    /// F2FS.
    F2fs,
    /// Memory: gone after a restart.
    Tmpfs,
    /// overlayfs, as inside containers without a volume.
    Overlay,
    /// NFS.
    Nfs,
    /// SMB.
    Smb,
    /// Something in user space: sshfs, s3fs, NTFS and more.
    Fuse,
    /// FAT or exFAT, which have neither hard links nor owners.
    Fat,
    /// Another one, by its number in `statfs(2)`.
    Other(u64),
}

impl FileSystem {
    fn from_magic(magic: u64) -> Self {
        // The numbers of linux/magic.h; those of ZFS, bcachefs and exFAT from their own sources.
        match magic {
            0xEF53 => Self::Ext,
            0x5846_5342 => Self::Xfs,
            0x9123_683E => Self::Btrfs,
            0x2FC1_2FC1 => Self::Zfs,
            0xCA45_1A4E => Self::Bcachefs,
            0xF2F5_2010 => Self::F2fs,
            0x0102_1994 => Self::Tmpfs,
            0x794C_7630 => Self::Overlay,
            0x6969 => Self::Nfs,
            0xFF53_4D42 | 0xFE53_4D42 | 0x517B => Self::Smb,
            0x6573_5546 => Self::Fuse,
            0x4D44 | 0x2011_BAB0 => Self::Fat,
            other => Self::Other(other),
        }
    }

    /// Says that other machines may be at work on it too, where locks and mount points mean less.
    #[must_use]
    pub const fn is_network(self) -> bool {
        matches!(self, Self::Nfs | Self::Smb)
    }

    /// Says that it can hold no hard links, so that no snapshot could share a file with another.
    #[must_use]
    pub const fn lacks_hard_links(self) -> bool {
        matches!(self, Self::Fat)
    }
}

impl std::fmt::Display for FileSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self {
            Self::Ext => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Zfs => "zfs",
            Self::Bcachefs => "bcachefs",
            Self::F2fs => "f2fs",
            Self::Tmpfs => "tmpfs",
            Self::Overlay => "overlay",
            Self::Nfs => "nfs",
            Self::Smb => "smb",
            Self::Fuse => "fuse",
            Self::Fat => "fat",
            Self::Other(magic) => return write!(f, "0x{magic:x}"),
        };
        f.pad(word)
    }
}

/// How the file system of a root is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// Its kind.
    pub file_system: FileSystem,
    /// Setuid bits mean nothing on it.
    pub nosuid: bool,
    /// Device files mean nothing on it.
    pub nodev: bool,
    /// Programs on it cannot be run.
    pub noexec: bool,
    /// It takes no writes.
    pub read_only: bool,
}

impl Mount {
    pub(super) fn of(dir: &Handle) -> Result<Self, DiskError> {
        let ask = |e| DiskError::io("ask for the mount of", dir.path(), e);
        let flags = fstatvfs(dir).map_err(ask)?.f_flag;
        // The type of the field differs by machine; all numbers above fit into its 32 bits.
        let magic = (fstatfs(dir).map_err(ask)?.f_type as u64) & 0xFFFF_FFFF;
        Ok(Self {
            file_system: FileSystem::from_magic(magic),
            nosuid: flags.contains(StatVfsMountFlags::NOSUID),
            nodev: flags.contains(StatVfsMountFlags::NODEV),
            noexec: flags.contains(StatVfsMountFlags::NOEXEC),
            read_only: flags.contains(StatVfsMountFlags::RDONLY),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Space;
    use crate::core::model::Percent;

    #[rstest]
    #[case(5, 100, false)]
    #[case(4, 100, true)]
    #[case(0, 0, false)]
    #[case(u64::MAX, u64::MAX, false)]
    fn too_little_is_less_than_the_share(
        #[case] available: u64,
        #[case] total: u64,
        #[case] short: bool,
    ) {
        let space = Space {
            bytes_available: available,
            bytes_total: total,
            inodes_available: Some(available),
            inodes_total: Some(total),
        };
        assert_eq!(space.is_short_of_bytes(Percent::clamped(5)), short);
        assert_eq!(space.is_short_of_inodes(Percent::clamped(5)), short);
    }

    #[test]
    fn a_file_system_without_fixed_inodes_is_never_short_of_them() {
        let space = Space {
            bytes_available: 1,
            bytes_total: 1,
            inodes_available: None,
            inodes_total: None,
        };
        assert!(!space.is_short_of_inodes(Percent::clamped(100)));
    }
}
