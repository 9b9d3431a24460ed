//! Breaks a text into lines that fit.

/// Breaks `text` at its spaces into lines of at most `width` characters; a longer word stands alone.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut()
            && line.chars().count() + 1 + word.chars().count() <= width
        {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        lines.push(word.to_owned());
    }
    lines
}

/// Breaks `text` like [`wrap`], with `indent` spaces before each line, all within `width`.
pub(super) fn indented(text: &str, indent: usize, width: usize) -> String {
    let margin = " ".repeat(indent);
    wrap(text, width.saturating_sub(indent))
        .iter()
        .map(|line| format!("{margin}{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_no_word() {
        let text = "one two  three\nfour fünf";
        let lines = wrap(text, 9);
        assert_eq!(lines, ["one two", "three", "four fünf"]);
    }

    #[test]
    fn a_word_longer_than_the_line_stands_alone() {
        assert_eq!(
            wrap("a tcp_synack_retries b", 6),
            ["a", "tcp_synack_retries", "b"]
        );
        assert_eq!(indented("a b", 2, 3), "  a\n  b\n");
        assert_eq!(indented("", 2, 10), "");
    }
}
