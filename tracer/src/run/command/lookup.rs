//! Which file a command is: looked for before anything is attached.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::CommandError;
use crate::model::printable;

/// Where programs are looked for without a `PATH`, as the C library has it.
const WITHOUT_PATH: &str = "/bin:/usr/bin";

/// Finds the file of a program: by its path if the name is one, else in the directories of `PATH`.
pub(super) fn find(name: &OsStr) -> Result<PathBuf, CommandError> {
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from(WITHOUT_PATH));
    find_in(name, &path)
}

fn find_in(name: &OsStr, path: &OsStr) -> Result<PathBuf, CommandError> {
    let refused = |cause| CommandError::Refused {
        name: printable(name),
        cause,
    };
    if name.as_bytes().contains(&b'/') {
        // What begins with a dash would pass for an option.
        let file = match name.as_bytes().starts_with(b"-") {
            true => Path::new(".").join(name),
            false => PathBuf::from(name),
        };
        return can_run(&file).map(|()| file).map_err(refused);
    }
    let mut cause = None;
    let places = env::split_paths(path).filter(|_| !name.is_empty());
    for place in places {
        // An empty one is the working directory; with a slash, it is taken for nothing else.
        let file = match place.as_os_str().is_empty() {
            true => Path::new(".").join(name),
            false => place.join(name),
        };
        match can_run(&file) {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                cause.get_or_insert(error);
            }
            Err(_) => {}
        }
    }
    Err(match cause {
        Some(cause) => refused(cause),
        None => CommandError::NotFound {
            name: printable(name),
            path: printable(path),
        },
    })
}

/// Fails if nobody can run the file; whether one user can is seen when it is tried.
fn can_run(file: &Path) -> io::Result<()> {
    let about = fs::metadata(file)?;
    match about.is_file() && about.permissions().mode() & 0o111 != 0 {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::EACCES)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with a program, a text, and a directory of these names.
    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().expect("a directory");
        for (name, mode) in [("program", 0o755), ("text", 0o644)] {
            let file = place.path().join(name);
            fs::write(&file, "").expect("a file");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode");
        }
        fs::create_dir(place.path().join("directory")).expect("a directory");
        place
    }

    fn find(name: &str, path: &str) -> Result<PathBuf, String> {
        find_in(OsStr::new(name), OsStr::new(path)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let place = place();
        let dir = place.path().display().to_string();
        let program = place.path().join("program");
        let path = format!("/nowhere:{dir}");
        assert_eq!(find("program", &path), Ok(program.clone()));
        assert_eq!(find(&program.display().to_string(), ""), Ok(program));
    }

    #[test]
    fn what_is_no_program_is_named_with_the_reason() {
        let place = place();
        let dir = place.path().display().to_string();
        let said = |name: &str| find(name, &dir).expect_err(name);
        assert!(said("absent").contains("no such program in PATH"));
        assert!(said("absent").contains("./absent"));
        assert!(said("").contains("no such program"));
        for name in ["text", "directory"] {
            assert!(said(name).contains("Permission denied"), "{}", said(name));
        }
        assert!(said("./absent").contains("is not there"));
    }
}
