//! The paths that Rust code names, without parsing more of it than that takes.
//!
//! **Owns:** leaving out comments and literals, and unfolding `a::{b, c::d}`.
//! **Never:** knows a rule.

/// A path as it is written, groups unfolded, and the line (from 1) of its last part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) path: String,
}

/// All paths of two parts or more, and what a `use` of one part names.
pub(super) fn paths(text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts_use = tokens[at].text == "use";
        if starts_use {
            at += 1;
        }
        let (start, known) = (at, found.len());
        at = path(&tokens, at, "", &mut found).max(start + 1);
        let is_word = found[known..]
            .iter()
            .all(|named| !named.path.contains("::"));
        if is_word && !starts_use {
            found.truncate(known);
        }
    }
    found
}

/// Reads a path with its groups from `at` on; returns where it ends.
fn path(tokens: &[Token<'_>], mut at: usize, prefix: &str, found: &mut Vec<Named>) -> usize {
    let mut path = prefix.to_owned();
    let mut line = None;
    while let Some(token) = tokens.get(at) {
        if token.is_word() || (token.text == "*" && path.ends_with("::")) {
            path.push_str(token.text);
            line = Some(token.line);
            at += 1;
            if tokens.get(at).is_none_or(|token| token.text != "::") {
                break;
            }
            path.push_str("::");
            at += 1;
        } else if token.text == "{" && path.ends_with("::") {
            at += 1;
            while tokens.get(at).is_some_and(|token| token.text != "}") {
                let start = at;
                at = self::path(tokens, at, &path, found);
                at = at.max(start + 1);
            }
            return at + 1;
        } else {
            break;
        }
    }
    if let Some(line) = line {
        found.push(Named {
            line,
            path: path.trim_end_matches("::").to_owned(),
        });
    }
    at
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

impl Token<'_> {
    fn is_word(&self) -> bool {
        self.text.starts_with(is_word)
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Words, `::` and single other characters; comments and literals are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let skipped = skip(rest);
        let word = rest.find(|character| !is_word(character));
        let length = if skipped > 0 {
            skipped
        } else if is_word(first) {
            word.unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if skipped == 0 && !first.is_whitespace() {
            tokens.push(Token { text: token, line });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of the comment or literal that `text` starts with, or 0.
fn skip(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |end| end + 2);
    }
    if let Some(hashes) = raw_string(text) {
        let close = format!("\"{}", "#".repeat(hashes));
        let open = 1 + close.len();
        let end = text[open..].find(&close);
        return end.map_or(text.len(), |end| open + end + close.len());
    }
    match text.chars().next() {
        Some('"') => quoted(text, '"').unwrap_or(text.len()),
        // A lifetime has no second quote this near.
        Some('\'') => match quoted(text, '\'') {
            Some(end) if text.starts_with("'\\") || text[1..end - 1].chars().count() == 1 => end,
            _ => 0,
        },
        _ => 0,
    }
}

/// How many `#` a raw string starts with, if `text` starts with one.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?;
    let open = hashes.trim_start_matches('#');
    open.starts_with('"').then(|| hashes.len() - open.len())
}

fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return Some(index + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::paths;

    fn found(text: &str) -> Vec<(usize, String)> {
        let named = paths(text).into_iter();
        named.map(|named| (named.line, named.path)).collect()
    }

    #[test]
    fn groups_are_unfolded_and_lines_counted() {
        let text = "use crate::{\n    model::{MonoNs, Tuple},\n    track,\n};\nuse std::io::*;\n";
        let expected = [
            (2, "crate::model::MonoNs"),
            (2, "crate::model::Tuple"),
            (3, "crate::track"),
            (5, "std::io::*"),
        ];
        assert_eq!(
            found(text),
            expected.map(|(line, path)| (line, path.to_owned()))
        );
    }

    #[test]
    fn paths_in_code_are_found() {
        let text = "fn f<'a>(x: &'a str) { let y = crate::track::new(':', 'a'); if a == b {} }";
        assert_eq!(found(text), [(1, "crate::track::new".to_owned())]);
    }

    #[test]
    fn a_use_of_one_part_counts() {
        assert_eq!(found("use aya;"), [(1, "aya".to_owned())]);
    }

    #[test]
    fn comments_and_literals_do_not_count() {
        let text = "// crate::a::b\n/* crate::c */ let x = \"crate::d \\\" crate::e\";\n\
                    let y = r#\"crate::\"f\"#; let z = '\"'; let w = crate::g::h;";
        assert_eq!(found(text), [(3, "crate::g::h".to_owned())]);
    }
}
