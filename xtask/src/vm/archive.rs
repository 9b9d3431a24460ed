//! An initramfs: the `newc` form of a cpio archive, which the kernel unpacks as its first root
//! directory (`Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! Not compressed: unpacking costs an emulated machine more than loading.

use std::collections::BTreeSet;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive that is being made.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    count: u32,
}

impl Archive {
    /// Adds a directory, and those above it; once is enough.
    pub(super) fn directory(&mut self, path: &Path) {
        let mut above: Vec<&Path> = path.ancestors().collect();
        above.reverse();
        for directory in above {
            let name = name(directory);
            if !name.is_empty() && self.directories.insert(name.clone()) {
                self.entry(&name, DIRECTORY, (0, 0), &[]);
            }
        }
    }

    /// Adds a file that anyone may read and run.
    pub(super) fn file(&mut self, path: &Path, content: &[u8]) {
        if let Some(directory) = path.parent() {
            self.directory(directory);
        }
        self.entry(&name(path), PROGRAM, (0, 0), content);
    }

    /// Adds a character device by its major and minor number.
    pub(super) fn device(&mut self, path: &Path, number: (u32, u32)) {
        if let Some(directory) = path.parent() {
            self.directory(directory);
        }
        self.entry(&name(path), CHARACTER_DEVICE, number, &[]);
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.count += 1;
        let links = 1;
        let fields = [
            self.count,
            mode,
            0, // user
            0, // group
            links,
            0, // time
            size(content.len()),
            0, // device that holds it, major
            0, // and minor
            device.0,
            device.1,
            size(name.len() + 1),
            0, // checksum: none in this form
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Relative to the root, as the archive names it.
fn name(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

/// Larger than what eight digits can say, an archive would not fit a machine either.
fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_the_format_says() {
        let mut archive = Archive::default();
        archive.file(Path::new("/bin/a"), b"hello");
        archive.file(Path::new("/bin/b"), b"");
        let text = String::from_utf8(archive.finish()).expect("all ASCII");
        let bin = "070701000000010000\
                   41ed000000000000000000000001000000000000000000000000000000000000000000000000\
                   0000000400000000bin\0\0\0";
        assert_eq!(&text[..bin.len()], bin, "the directory comes first, once");
        let a = "070701000000020000\
                 81ed000000000000000000000001000000000000000500000000000000000000000000000000\
                 0000000600000000bin/a\0hello\0\0\0";
        assert_eq!(&text[bin.len()..bin.len() + a.len()], a);
        assert_eq!(text.matches("bin\0").count(), 1);
        assert!(text.ends_with("TRAILER!!!\0\0\0\0"), "{text:?}");
        assert_eq!(text.len() % 4, 0);
    }
}
