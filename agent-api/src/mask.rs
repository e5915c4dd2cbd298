//! Numbers as people without the right to see them see them.

/// Enough to recognise a number one knows, too little to call it: `+15550000001` becomes `+1555•••0001`. The dots are
/// three whatever they stand for, and short numbers show less.
pub(crate) fn mask(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let (first, last) = match digits.len() {
        11.. => (4, 4),
        8..=10 => (2, 2),
        _ => (0, 0),
    };
    let head: String = digits.iter().take(first).collect();
    let tail: String = digits.iter().skip(digits.len().saturating_sub(last)).collect();
    let plus = if number.starts_with('+') { "+" } else { "" };
    format!("{plus}{head}•••{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_three_digits_are_hidden() {
        let masked = ["+15550000001", "+861380013800", "02012345", "4930123456", "112", ""].map(mask);
        assert_eq!(masked, ["+1555•••0001", "+8613•••3800", "02•••45", "49•••56", "•••", "•••"]);
        for length in 0..=20 {
            let number = "7".repeat(length);
            let shown = mask(&number).matches('7').count();
            assert!(shown == 0 || length - shown >= 3, "{number}");
        }
    }
}
