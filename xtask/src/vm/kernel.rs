//! Stock kernels from Debian's packages: choosing, fetching, keeping.
//!
//! **Owns:** what a kernel package is named, and where its files are.
//! **Never:** installs one. A package is unpacked below the target directory and stays there.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

use super::unpacking;
use crate::packages;
use crate::root::NotAllowed;

const PREFIX: &str = "linux-image-";
/// The flavour for virtual machines: small, and with everything that the tests need.
const FLAVOUR: &str = "-cloud-amd64";
/// Also at the end of the name: the same kernel, published before it is signed.
const UNSIGNED: &str = "-unsigned";

/// A kernel series: `6.1` is all of 6.1.y.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let (major, minor) = parsed.ok_or("a kernel series is two numbers, such as 6.12")?;
        Ok(Self { major, minor })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A kernel that is here.
pub(super) struct Kernel {
    /// As `uname -r` says.
    pub(super) release: String,
    /// What the boot loader loads.
    pub(super) image: PathBuf,
    /// Where its modules are.
    pub(super) modules: PathBuf,
}

/// The newest kernel of a series that Debian offers, or else the newest that was kept.
pub(super) fn get(series: Series, directory: &Path) -> Result<Kernel> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let kept = newest(series, kept(directory)?);
    let Some(offered) = offered(series)? else {
        let Some(kept) = kept else {
            return Err(not_offered(series).into());
        };
        return open(directory, &kept);
    };
    if directory.join(&offered.package).is_dir() {
        return open(directory, &offered);
    }
    match (fetch(directory, &offered.package), kept) {
        (Ok(()), _) => open(directory, &offered),
        (Err(error), Some(kept)) => {
            eprintln!("vm: {error:#}; taking {}, which is here", kept.package);
            open(directory, &kept)
        }
        (Err(error), None) => Err(error),
    }
}

/// A kernel package by what its name says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// All the numbers of the version; the first two are the series.
    version: Vec<u32>,
    signed: bool,
    package: String,
}

impl Candidate {
    fn parse(package: &str) -> Option<Self> {
        let (name, signed) = match package.strip_suffix(UNSIGNED) {
            Some(name) => (name, false),
            None => (package, true),
        };
        let release = name.strip_prefix(PREFIX)?.strip_suffix(FLAVOUR)?;
        let version: Vec<u32> = release
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        // Two numbers alone name a package that only leads to another one.
        (version.len() > 2).then(|| Self {
            version,
            signed,
            package: package.to_owned(),
        })
    }

    fn series(&self) -> Series {
        Series {
            major: self.version[0],
            minor: self.version[1],
        }
    }
}

fn newest(series: Series, candidates: impl IntoIterator<Item = Candidate>) -> Option<Candidate> {
    candidates
        .into_iter()
        .filter(|candidate| candidate.series() == series)
        .max()
}

/// What Debian offers of a series; a name that only other packages mention cannot be had.
fn offered(series: Series) -> Result<Option<Candidate>> {
    let mut candidates: Vec<Candidate> = packages::names(&format!("{PREFIX}{series}."))?
        .iter()
        .filter_map(|name| Candidate::parse(name))
        .collect();
    candidates.retain(|candidate| packages::is_offered(&candidate.package));
    Ok(newest(series, candidates))
}

fn kept(directory: &Path) -> Result<Vec<Candidate>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Candidate::parse(&name))
        .collect())
}

fn not_offered(series: Series) -> NotAllowed {
    let mut all: Vec<Series> = packages::names(PREFIX)
        .unwrap_or_default()
        .iter()
        .filter_map(|name| Some(Candidate::parse(name)?.series()))
        .collect();
    all.sort_unstable();
    all.dedup();
    let all: Vec<String> = all.iter().map(Series::to_string).collect();
    NotAllowed(format!(
        "Debian's package lists here have no {PREFIX}{series}.*{FLAVOUR}; they have {}. As root, \
         run `apt-get update`, or ask for another kernel.",
        match all.as_slice() {
            [] => "none at all".to_owned(),
            all => all.join(", "),
        }
    ))
}

fn fetch(directory: &Path, package: &str) -> Result<()> {
    eprintln!("vm: fetching Debian's {package}");
    unpacking::unpack(&[package], &directory.join(package))
}

fn open(directory: &Path, candidate: &Candidate) -> Result<Kernel> {
    let tree = directory.join(&candidate.package);
    let modules = tree.join("lib/modules");
    let release = fs::read_dir(&modules)
        .with_context(|| format!("cannot list {}", modules.display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .next()
        .with_context(|| format!("no modules in {}", modules.display()))?;
    let image = tree.join("boot").join(format!("vmlinuz-{release}"));
    if !image.is_file() {
        bail!(
            "no kernel at {}; remove {}",
            image.display(),
            tree.display()
        );
    }
    Ok(Kernel {
        modules: modules.join(&release),
        image,
        release,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(names: &[&str]) -> Vec<Candidate> {
        names
            .iter()
            .filter_map(|name| Candidate::parse(name))
            .collect()
    }

    #[test]
    fn the_newest_of_the_series_is_chosen_and_rather_signed() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64-unsigned",
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64-dbg",
            "linux-image-6.1.0-60-rt-amd64",
            "linux-image-6.12.117+deb12-cloud-amd64",
        ];
        let chosen = newest(Series { major: 6, minor: 1 }, candidates(&names));
        assert_eq!(chosen.map(|one| one.package).as_deref(), Some(names[2]));
    }

    #[test]
    fn a_later_kernel_wins_though_it_is_not_signed_yet() {
        let names = [
            "linux-image-6.12.100+deb12-cloud-amd64",
            "linux-image-6.12.117+deb12-cloud-amd64-unsigned",
            "linux-image-6.12-cloud-amd64",
        ];
        let chosen = newest(
            Series {
                major: 6,
                minor: 12,
            },
            candidates(&names),
        );
        assert_eq!(chosen.map(|one| one.package).as_deref(), Some(names[1]));
    }

    #[test]
    fn a_series_is_two_numbers() {
        assert_eq!(
            "6.12".parse(),
            Ok(Series {
                major: 6,
                minor: 12
            })
        );
        for wrong in ["6", "6.x", "6.1.0", ""] {
            assert!(wrong.parse::<Series>().is_err(), "{wrong}");
        }
    }
}
