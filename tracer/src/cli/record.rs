//! Options of whatever records: into which file, and how much of it is kept.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::parse::{parse_record_size, parse_rotate};

/// How much is recorded, and how much of it is kept.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Recording")]
pub struct RecordArgs {
    /// Go on in a new file, FILE.000001 and so on, when one has this size (100M, 1G) or age (90s, 10min,
    /// 1h, 1d).
    #[arg(long, value_name = "SIZE|TIME", value_parser = parse_rotate)]
    pub rotate: Option<Rotate>,
    /// Keep the newest N files, and remove those before them.
    #[arg(long, value_name = "N", requires = "rotate", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
    /// Stop recording, but not tracing, before the files take more than this together, such as 2G.
    #[arg(long, value_name = "SIZE", value_parser = parse_record_size)]
    pub max_size: Option<u64>,
}

/// When a recording goes on in a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    /// When the file has this many bytes; it then ends with the frame that is being written.
    Bytes(u64),
    /// When the file is this old, by the boot-time clock.
    Every(Duration),
}

/// What is recorded, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPlan {
    /// The file, or the first of several.
    pub path: PathBuf,
    /// When to go on in a new file.
    pub rotate: Option<Rotate>,
    /// How many files are kept; `None` for all.
    pub keep: Option<u32>,
    /// Bytes that the files may take together.
    pub max_size: Option<u64>,
}

impl RecordPlan {
    /// Makes the plan.
    ///
    /// # Errors
    ///
    /// Options that leave nothing to record into, and why.
    pub fn new(path: PathBuf, args: &RecordArgs) -> Result<Self, String> {
        if path.file_name().is_none() {
            return Err(format!(
                "cannot record into `{}`: it names no file; give one that does not exist yet, such as \
                 trace.tev",
                crate::model::printable(&path)
            ));
        }
        if let (Some(Rotate::Bytes(bytes)), Some(most)) = (args.rotate, args.max_size)
            && bytes >= most
        {
            return Err(
                "cannot record with a --max-size that is reached before --rotate: nothing would ever \
                 be rotated; give a larger --max-size, or leave --rotate out"
                    .to_owned(),
            );
        }
        Ok(Self {
            path,
            rotate: args.rotate,
            keep: args.keep,
            max_size: args.max_size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_comes_before_rotation_is_refused() {
        let args = |rotate, max_size| RecordArgs {
            rotate: Some(rotate),
            keep: None,
            max_size,
        };
        let plan = |args: &RecordArgs| RecordPlan::new("a.tev".into(), args);
        assert!(plan(&args(Rotate::Bytes(1 << 20), Some(1 << 20))).is_err());
        assert!(plan(&args(Rotate::Bytes(1 << 20), Some(2 << 20))).is_ok());
        assert!(plan(&args(Rotate::Every(Duration::from_secs(1)), Some(1 << 20))).is_ok());
    }

    #[test]
    fn a_directory_is_no_file() {
        for path in ["", "/", "..", "a/.."] {
            let said = RecordPlan::new(path.into(), &RecordArgs::default()).expect_err(path);
            assert!(said.contains("names no file"), "{said}");
        }
    }
}
