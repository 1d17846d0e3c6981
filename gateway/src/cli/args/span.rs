//! Spans of time on the command line.

/// A span in milliseconds: a number and ms, s, m, h or d.
pub(super) fn span(text: &str) -> Result<u64, String> {
    let wrong = || "is a number and a unit, such as 500ms, 30m, 12h or 1d".to_owned();
    if let Some(number) = text.strip_suffix("ms") {
        return number.parse().map_err(|_| wrong());
    }
    let (at, unit) = text.char_indices().next_back().ok_or_else(wrong)?;
    let number = text.get(..at).unwrap_or_default();
    let each: u64 = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(each).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span("30m"), Ok(1_800_000));
        assert_eq!(span("1d"), Ok(86_400_000));
        assert_eq!(span("250ms"), Ok(250));
        for text in ["", "ms", "1", "d", "1w", "-1d", "1.5h", "99999999999999999999d", "é"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
