//! Numbers as people read them.

/// `1 change`, `12,345 changes`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A number with a comma after every three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
