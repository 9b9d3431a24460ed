//! Digits that are looked up, three at a time, rather than divided out one by one.
//!
//! A line has some eighty of them. What is looked up is text already, so nothing has to make sure that it is.

/// How many numbers have three digits, or fewer.
const NUMBERS: usize = 1_000;

static ALL: [u8; 3 * NUMBERS] = {
    let mut all = [0; 3 * NUMBERS];
    let mut number = 0;
    while number < NUMBERS {
        all[3 * number] = b'0' + (number / 100) as u8;
        all[3 * number + 1] = b'0' + (number / 10 % 10) as u8;
        all[3 * number + 2] = b'0' + (number % 10) as u8;
        number += 1;
    }
    all
};

/// `000` to `999`, one behind the other.
static GROUPS: &str = match str::from_utf8(&ALL) {
    Ok(groups) => groups,
    Err(_) => panic!("digits are text"),
};

/// Returns a number below 1,000 with all three digits.
#[inline(always)]
fn group(number: u32) -> &'static str {
    let start = 3 * (number as usize % NUMBERS);
    &GROUPS[start..start + 3]
}

/// Appends a number below 1,000 without zeros that lead.
#[inline(always)]
pub(super) fn push_small(out: &mut String, number: u32) {
    let digits = group(number);
    match number {
        0..10 => out.push_str(&digits[2..]),
        10..100 => out.push_str(&digits[1..]),
        _ => out.push_str(digits),
    }
}

/// Appends the last two digits of a number.
#[inline(always)]
pub(super) fn push_two(out: &mut String, number: u32) {
    out.push_str(&group(number % 100)[1..]);
}

/// Appends the last six digits of a number.
#[inline(always)]
pub(super) fn push_six(out: &mut String, number: u32) {
    out.push_str(group(number / 1_000));
    out.push_str(group(number));
}

/// Appends the last nine digits of a number.
#[inline(always)]
pub(super) fn push_nine(out: &mut String, number: u32) {
    out.push_str(group(number / 1_000_000));
    push_six(out, number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_those_of_the_number(number in prop_oneof![0..2_000_u32, any::<u32>()]) {
            let pushed = |push: fn(&mut String, u32)| {
                let mut out = String::new();
                push(&mut out, number);
                out
            };
            prop_assert_eq!(pushed(push_two), format!("{:02}", number % 100));
            prop_assert_eq!(pushed(push_six), format!("{:06}", number % 1_000_000));
            prop_assert_eq!(pushed(push_nine), format!("{:09}", number % 1_000_000_000));
            if number < 1_000 {
                prop_assert_eq!(pushed(push_small), number.to_string());
            }
        }
    }
}
