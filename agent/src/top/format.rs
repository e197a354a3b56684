//! Numbers in few characters. **pure**

/// A rate with three or four digits and the letter of its thousands.
pub(super) fn number(value: f64) -> String {
    let units = ["", "k", "M", "G", "T"];
    let mut value = value;
    let mut unit = 0;
    // Four digits are shown as they are; from the first letter on, three have to do.
    while value >= if unit == 0 { 9_999.5 } else { 999.5 } && unit + 1 < units.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let letter = units.get(unit).copied().unwrap_or_default();
    let digits = usize::from(value > 0.0 && (value < 10.0 || unit > 0 && value < 100.0));
    format!("{value:.digits$}{letter}")
}

/// A text in at most `width` characters.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.2"),
            (9.94, "9.9"),
            (12.3, "12"),
            (9_999.0, "9999"),
            (10_000.0, "10.0k"),
            (123_456.0, "123k"),
            (9_999_999.0, "10.0M"),
            (25_000_000_000.0, "25.0G"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn texts_are_cut_where_they_must() {
        assert_eq!(fit("syslog", 6), "syslog");
        assert_eq!(fit("syslogs", 6), "syslo…");
    }
}
