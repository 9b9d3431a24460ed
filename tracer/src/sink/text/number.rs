//! Numbers as people read them.

/// `1 change`, `12,345 changes`.
pub fn counted(number: u64, noun: &str) -> String {
    let mut text = String::new();
    push_counted(&mut text, number, noun);
    text
}

/// Appends `1 change`, `12,345 changes`.
pub(super) fn push_counted(out: &mut String, number: u64, noun: &str) {
    push_grouped(out, number);
    out.push(' ');
    out.push_str(noun);
    if number != 1 {
        out.push('s');
    }
}

/// A number with a comma after every three digits.
pub fn grouped(number: u64) -> String {
    let mut text = String::new();
    push_grouped(&mut text, number);
    text
}

/// Appends a number with a comma after every three digits.
pub(super) fn push_grouped(out: &mut String, number: u64) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    // The first group may be shorter.
    let (first, mut rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    out.push_str(first);
    while !rest.is_empty() {
        let (group, others) = rest.split_at(3);
        out.push(',');
        out.push_str(group);
        rest = others;
    }
}

/// Appends a number.
pub(super) fn push_number(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// `1 GiB`, `8 MiB`, `64 KiB`. The kernel takes powers of two only, of a page at least.
pub(in crate::sink) fn bytes(number: u32) -> String {
    match number {
        0x4000_0000.. => format!("{} GiB", number >> 30),
        0x10_0000.. => format!("{} MiB", number >> 20),
        _ => format!("{} KiB", number >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(counted(1, "change"), "1 change");
        assert_eq!(counted(0, "change"), "0 changes");
    }

    #[test]
    fn sizes_have_the_largest_unit_that_is_whole() {
        assert_eq!(bytes(4 << 10), "4 KiB");
        assert_eq!(bytes(512 << 10), "512 KiB");
        assert_eq!(bytes(1 << 20), "1 MiB");
        assert_eq!(bytes(512 << 20), "512 MiB");
        assert_eq!(bytes(1 << 30), "1 GiB");
        assert_eq!(bytes(1 << 31), "2 GiB");
    }
}
