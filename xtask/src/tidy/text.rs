//! How a file looks: its header, and its white space.

use std::path::Path;

/// Lines (from 1) and the rules that they break.
pub(super) fn check(file: &Path, text: &str) -> Vec<(usize, String)> {
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    let mut broken = Vec::new();
    if is_rust && !text.starts_with("//! ") {
        broken.push((1, "a file starts with `//! ` and a sentence on what it is"));
    }
    for (index, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            broken.push((index + 1, "no white space at the end of a line"));
        }
        if is_rust && line.contains('\t') {
            broken.push((index + 1, "no tabs; write \\t in a string"));
        }
    }
    if !text.ends_with('\n') {
        broken.push((text.lines().count().max(1), "a file ends with a newline"));
    }
    broken
        .into_iter()
        .map(|(line, rule)| (line, rule.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn broken(file: &str, text: &str) -> Vec<usize> {
        check(Path::new(file), text)
            .into_iter()
            .map(|(line, _)| line)
            .collect()
    }

    #[test]
    fn each_rule_can_be_broken() {
        assert_eq!(broken("a.rs", "//! A.\n\nfn a() {}\n"), NONE);
        assert_eq!(broken("a.rs", "fn a() {}\n"), [1]);
        assert_eq!(broken("a.rs", ""), [1, 1]);
        assert_eq!(broken("a.rs", "//! A.\nfn a() {} \n"), [2]);
        assert_eq!(broken("a.rs", "//! A.\n\tfn a() {}\n"), [2]);
        assert_eq!(broken("a.rs", "//! A.\nfn a() {}"), [2]);
    }

    #[test]
    fn other_files_need_no_header_and_may_have_tabs() {
        assert_eq!(broken("a.toml", "a\t= 1\n"), NONE);
        assert_eq!(broken("a.toml", "a = 1 \n"), [1]);
    }
}
