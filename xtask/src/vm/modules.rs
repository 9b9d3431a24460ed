//! Kernel modules: those that the tests need, with all that these need, in the order of loading.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cmd;

/// What stock kernels have as modules and the tests use: links, listing sockets, dropping and
/// delaying packets.
const NEEDED: &[&str] = &["veth", "tcp_diag", "nf_tables", "sch_netem"];

/// A module as the kernel takes it.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) object: Vec<u8>,
}

/// Reads them from a directory of modules, each after those that it depends on.
pub(super) fn read(directory: &Path) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    find(&directory.join("kernel"), &mut files)?;
    let mut modules = Vec::new();
    for name in NEEDED {
        add(name, &files, &mut modules)?;
    }
    Ok(modules)
}

/// Finds all modules by name.
fn find(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", directory.display()))?
            .path();
        if path.is_dir() {
            find(&path, files)?;
        } else if let Some(name) = name_of(&path) {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// `x-y.ko` and `x-y.ko.xz` hold the module `x_y`.
fn name_of(file: &Path) -> Option<String> {
    let (name, end) = file.file_name()?.to_str()?.split_once('.')?;
    ["ko", "ko.xz"].contains(&end).then(|| plain(name))
}

/// A name as the kernel compares it.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, modules: &mut Vec<Module>) -> Result<()> {
    if modules.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let file = files
        .get(name)
        .with_context(|| format!("the kernel has no module {name}"))?;
    let object = load(file)?;
    for needed in dependencies(&object) {
        add(&needed, files, modules)?;
    }
    modules.push(Module {
        name: name.to_owned(),
        object,
    });
    Ok(())
}

/// The object, decompressed: not every kernel can do that itself.
fn load(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    }
    let mut xz = Command::new("xz");
    xz.args(["--decompress", "--stdout"]).arg(file);
    let output = xz
        .output()
        .with_context(|| format!("cannot start {}", cmd::show(&xz)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {said}", cmd::show(&xz), output.status);
    }
    Ok(output.stdout)
}

/// What a module says that it depends on: `depends=a,b` among the strings, each ended by a zero
/// byte, of its section `.modinfo`.
fn dependencies(object: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = object.windows(KEY.len()).position(|bytes| bytes == KEY) else {
        return Vec::new();
    };
    let value = object[at + KEY.len()..].split(|&byte| byte == 0).next();
    String::from_utf8_lossy(value.unwrap_or_default())
        .split(',')
        .filter(|name| !name.is_empty())
        .map(plain)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_strings_of_a_module() {
        let object = b"\x7fELF..\0license=GPL\0depends=nfnetlink,lib-crc\0retpoline=Y\0";
        assert_eq!(dependencies(object), ["nfnetlink", "lib_crc"]);
        assert!(dependencies(b"\0depends=\0name=veth\0").is_empty());
        assert!(dependencies(b"no such string").is_empty());
    }

    #[test]
    fn modules_are_known_by_their_plain_names() {
        let name = |file: &str| name_of(Path::new(file));
        assert_eq!(name("/m/sch-netem.ko.xz").as_deref(), Some("sch_netem"));
        assert_eq!(name("/m/veth.ko").as_deref(), Some("veth"));
        assert_eq!(name("/m/modules.dep"), None);
    }
}
