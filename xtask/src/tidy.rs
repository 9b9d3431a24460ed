//! `cargo xtask tidy`: the rules that neither the compiler nor clippy knows.
//!
//! **Owns:** which files are looked at; the rules themselves are in the files below.
//! **Never:** changes a file.

mod code;
mod layers;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A broken rule, and where.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    /// Relative to the workspace.
    file: PathBuf,
    /// Counted from 1.
    line: usize,
    rule: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, rule) = (self.file.display(), self.line, &self.rule);
        write!(f, "{file}:{line}: {rule}")
    }
}

/// Looks at the whole workspace.
///
/// # Errors
///
/// Lists every broken rule as `file:line: rule`.
pub(crate) fn check(workspace: &Path) -> Result<()> {
    let mut complaints = Vec::new();
    for file in files(workspace)? {
        let whole = workspace.join(&file);
        let text = fs::read_to_string(&whole)
            .with_context(|| format!("cannot read {}", whole.display()))?;
        complaints.extend(check_file(&file, &text));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let count = complaints.len();
    let list: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
    bail!("{}\ntidy: {count} broken rules", list.join("\n"));
}

fn check_file(file: &Path, text: &str) -> Vec<Complaint> {
    let mut broken = text::check(file, text);
    broken.extend(layers::check(file, text));
    broken
        .into_iter()
        .map(|(line, rule)| Complaint {
            file: file.to_owned(),
            line,
            rule,
        })
        .collect()
}

/// Rust, TOML and Markdown, relative to the workspace and in order; nothing that is built or hidden,
/// but for cargo's configuration.
fn files(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![workspace.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", directory.display()))?
                .path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let extension = path.extension().unwrap_or_default();
            if path.is_dir() {
                if name != "target" && (!name.starts_with('.') || name == ".cargo") {
                    directories.push(path);
                }
            } else if ["rs", "toml", "md"].iter().any(|known| extension == *known) {
                found.push(path.strip_prefix(workspace)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the workspace");
        if let Err(error) = check(workspace) {
            panic!("{error:#}");
        }
    }

    #[test]
    fn a_complaint_names_file_line_and_rule() {
        let file = Path::new("tracer/src/model/time.rs");
        let complaints = check_file(file, "//! Time.\nuse crate::track::Span;\n");
        let [complaint] = complaints.as_slice() else {
            panic!("one complaint, not {complaints:?}");
        };
        let text = complaint.to_string();
        assert!(
            text.starts_with("tracer/src/model/time.rs:2: `model` may not import `track`"),
            "{text}"
        );
    }
}
