//! Kubernetes quantities: `0.5` and `500m` are one value in two spellings, and the API server keeps only one of them.

/// Whether both are quantities of the same size. What is no quantity equals nothing.
pub(crate) fn equal(left: &str, right: &str) -> bool {
    match (nano(left), nano(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// A quantity in billionths.
fn nano(text: &str) -> Option<i128> {
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (numerator, denominator) = scale(suffix)?;
    decimal(number)?
        .checked_mul(numerator)
        .map(|scaled| scaled / denominator)
}

/// A plain decimal in billionths.
fn decimal(text: &str) -> Option<i128> {
    let negative = text.starts_with('-');
    let text = text.trim_start_matches(['+', '-']);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let padded: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let value = whole
        .checked_mul(1_000_000_000)?
        .checked_add(padded.parse().ok()?)?;
    Some(if negative { -value } else { value })
}

/// What a suffix multiplies by, as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let whole = |n: i128| Some((n, 1));
    match suffix {
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "" => whole(1),
        "k" => whole(1_000),
        "M" => whole(1_000_000),
        "G" => whole(1_000_000_000),
        "T" => whole(1_000_000_000_000),
        "P" => whole(1_000_000_000_000_000),
        "E" => whole(1_000_000_000_000_000_000),
        "Ki" => whole(1 << 10),
        "Mi" => whole(1 << 20),
        "Gi" => whole(1 << 30),
        "Ti" => whole(1 << 40),
        "Pi" => whole(1 << 50),
        "Ei" => whole(1 << 60),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
            Some(if exponent < 0 { (1, power) } else { (power, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_size_are_equal() {
        for (left, right) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1e3", "1k"),
            ("2000m", "2"),
            (".5", "500m"),
            ("1E", "1000P"),
            ("1.5Gi", "1536Mi"),
            ("100000000n", "100m"),
        ] {
            assert!(equal(left, right), "{left} {right}");
        }
    }

    #[test]
    fn other_sizes_and_no_quantities_are_not() {
        for (left, right) in [
            ("1", "1m"),
            ("1Gi", "1G"),
            ("x", "x1"),
            ("", "0"),
            ("-", "0"),
            ("1e99", "1e99 "),
            ("9999999999999999999999999999999999E", "1"),
        ] {
            assert!(!equal(left, right), "{left} {right}");
        }
    }
}
