//! Applies an edit to a source text. Pure.

use super::Mutant;

/// The text with the edit, or why it cannot be made.
pub fn apply(text: &str, mutant: &Mutant) -> Result<String, String> {
    let Mutant {
        name,
        file,
        old,
        new,
        ..
    } = mutant;
    match text.matches(old).count() {
        _ if old == new => Err(format!("{name} changes nothing")),
        1 => Ok(text.replacen(old, new, 1)),
        count => Err(format!("{name}: {file} has {count} times: {old}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUTANT: Mutant = Mutant {
        name: "less",
        theme: "order",
        file: "a.rs",
        old: "a < b",
        new: "a <= b",
    };

    #[test]
    fn edits_what_is_there_once() {
        assert_eq!(apply("if a < b {}", &MUTANT).unwrap(), "if a <= b {}");
        assert!(
            apply("if a > b {}", &MUTANT)
                .unwrap_err()
                .contains("0 times")
        );
        assert!(
            apply("a < b, a < b", &MUTANT)
                .unwrap_err()
                .contains("2 times")
        );
        let same = Mutant {
            new: MUTANT.old,
            ..MUTANT
        };
        assert!(apply("a < b", &same).is_err());
    }
}
