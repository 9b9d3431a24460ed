//! A process: who it is, and what it was started as.
//!
//! Whatever tells of it (`/proc`, or a hook) may not tell all: what it did not is `None`.

use super::MonoNs;
use super::event::Comm;

/// Bytes of a process's arguments that are kept, the ends of words counted.
pub const MOST_ARGS_BYTES: usize = 256;

/// `/proc` tells when a process started in hundredths of a second, rounded down.
const PROC_TICK_NS: u64 = 10_000_000;

/// A process.
///
/// Its texts are whatever its maker chose, with U+FFFD in place of bytes that are not UTF-8: to be printed
/// by [`printable`](fn@super::printable) alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id (thread group), numbered by the initial pid namespace.
    pub pid: u32,
    /// Process id of its parent; of one that nobody of its namespace started, 0.
    pub ppid: Option<u32>,
    /// When it started; as `/proc` tells it, rounded down to a hundredth of a second.
    pub started: Option<MonoNs>,
    /// Name of its first thread.
    pub comm: Comm,
    /// Real uid.
    pub uid: Option<u32>,
    /// Path of the file that it runs; ` (deleted)` behind one that is gone is the kernel's.
    pub exe: Option<String>,
    /// Its arguments, the first bytes of them, or the title that it gave itself in their place.
    pub args: Option<Args>,
    /// Path of its cgroup (version 2).
    pub cgroup: Option<String>,
}

impl Process {
    /// Makes one of which no more is known than its name.
    pub fn named(pid: u32, comm: Comm) -> Self {
        Self {
            pid,
            ppid: None,
            started: None,
            comm,
            uid: None,
            exe: None,
            args: None,
            cgroup: None,
        }
    }

    /// Returns whether it is the process that `/proc` told as `found`, running the same program: its number may have been
    /// given again, and it may have become another since.
    pub fn was_found_as(&self, found: &Self) -> bool {
        let is_same_start = self
            .started
            .zip(found.started)
            .is_some_and(|(exact, told)| {
                exact == told || exact.0 - exact.0 % PROC_TICK_NS == told.0
            });
        self.pid == found.pid && self.comm == found.comm && is_same_start
    }

    /// Takes over what it does not tell itself, from what was told of it before.
    ///
    /// # Kernel
    ///
    /// A process that exits gives its memory up before its files are closed (`exit_mm`, `exit_files`): then nothing tells
    /// any more which file it ran, and with which arguments.
    pub fn complete_from(&mut self, before: &Self) {
        self.ppid = self.ppid.or(before.ppid);
        self.uid = self.uid.or(before.uid);
        self.exe = self.exe.take().or_else(|| before.exe.clone());
        self.args = self.args.take().or_else(|| before.args.clone());
        self.cgroup = self.cgroup.take().or_else(|| before.cgroup.clone());
    }
}

/// The arguments of a process, its own name first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// Each word.
    pub words: Vec<String>,
    /// Whether there are more, or the last is longer.
    pub cut: bool,
}

impl Args {
    /// Reads arguments as a process has them in memory, each ended by a zero: the first
    /// [`MOST_ARGS_BYTES`] of them. `None` where there are none, as of a kernel thread.
    ///
    /// # Kernel
    ///
    /// A process that writes a title over its arguments leaves zeros behind it, which look like empty
    /// ones: more than one at the end are taken for that.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::read_part(bytes, false)
    }

    /// Reads the first of the arguments, where there may be more.
    pub fn read_part(bytes: &[u8], more: bool) -> Option<Self> {
        let cut = more || bytes.len() > MOST_ARGS_BYTES;
        let kept = match cut {
            true => &bytes[..boundary(bytes, bytes.len().min(MOST_ARGS_BYTES))],
            false => bytes.strip_suffix(&[0]).unwrap_or(bytes),
        };
        let ends = kept.iter().rev().take_while(|&&byte| byte == 0).count();
        let kept = match ends {
            0 | 1 if !cut => kept,
            ends => &kept[..kept.len() - ends],
        };
        if kept.is_empty() {
            return None;
        }
        // A cut between two words is one all the same; between a title and its zeros it is none.
        let cut = more || (cut && bytes[kept.len()..].iter().any(|&byte| byte != 0));
        let words = kept.split(|&byte| byte == 0);
        Some(Self {
            words: words
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect(),
            cut,
        })
    }
}

/// Returns where to cut at the latest so that no letter is cut through.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let starts = |&at: &usize| bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (at.saturating_sub(3)..=at).rev().find(starts).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(bytes: &[u8]) -> Vec<String> {
        Args::read(bytes).expect("some arguments").words
    }

    #[test]
    fn one_that_was_found_is_known_again_by_its_start_and_name() {
        let comm = |first| {
            let mut bytes = [0; 16];
            bytes[0] = first;
            Comm(bytes)
        };
        let started = |at, first| Process {
            started: Some(MonoNs(at)),
            ..Process::named(7, comm(first))
        };
        let found = started(1_230_000_000, b'a');
        assert!(started(1_230_000_000, b'a').was_found_as(&found));
        assert!(started(1_239_999_999, b'a').was_found_as(&found));
        assert!(!started(1_240_000_000, b'a').was_found_as(&found));
        assert!(!started(1_229_999_999, b'a').was_found_as(&found));
        // It has become another program.
        assert!(!started(1_230_000_000, b'b').was_found_as(&found));
        assert!(!Process::named(7, comm(b'a')).was_found_as(&found));
    }

    #[test]
    fn each_argument_ends_with_a_zero() {
        assert_eq!(
            words(b"nginx\0-g\0daemon off;\0"),
            ["nginx", "-g", "daemon off;"]
        );
        // As the kernel tells a title.
        assert_eq!(words(b"nginx: master process"), ["nginx: master process"]);
        assert_eq!(words(b"a\0\0b\0"), ["a", "", "b"]);
        assert_eq!(words(b"a\0\0"), ["a", ""]);
        assert_eq!(words(b"\xff\x1b[2J\0"), ["\u{fffd}\u{1b}[2J"]);
    }

    #[test]
    fn what_is_left_behind_a_title_is_no_argument() {
        assert_eq!(words(b"postgres: writer\0\0\0\0\0"), ["postgres: writer"]);
        let mut long = b"postgres: writer".to_vec();
        long.resize(2_000, 0);
        let args = Args::read(&long).expect("some arguments");
        assert_eq!(
            (&*args.words, args.cut),
            (&["postgres: writer".to_owned()][..], false)
        );
    }

    #[test]
    fn nothing_is_unknown() {
        assert_eq!(Args::read(b""), None);
        assert_eq!(Args::read(b"\0"), None);
        assert_eq!(Args::read(&[0; 500]), None);
    }

    #[test]
    fn long_ones_are_cut_between_letters_and_say_so() {
        let mut long = b"java\0".to_vec();
        long.extend("ä".repeat(200).bytes());
        long.push(0);
        let args = Args::read(&long).expect("some arguments");
        assert!(args.cut);
        assert_eq!(args.words, ["java".to_owned(), "ä".repeat(125)]);

        let whole = [b"x".repeat(MOST_ARGS_BYTES - 1), vec![0]].concat();
        let args = Args::read(&whole).expect("some arguments");
        assert_eq!(
            (args.words[0].len(), args.cut),
            (MOST_ARGS_BYTES - 1, false)
        );
        // The cut is just between two words.
        let more = [whole, b"y\0".to_vec()].concat();
        let args = Args::read(&more).expect("some arguments");
        assert_eq!((args.words.len(), args.cut), (1, true));
    }
}
