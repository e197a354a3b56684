//! What a mistyped word was probably meant to be. Pure.

/// The known word nearest to a mistyped one, if any is near.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = plain(word);
    known
        .into_iter()
        .map(|candidate| (distance(&typed, &plain(candidate)), candidate))
        .filter(|&(distance, candidate)| distance <= candidate.len().div_ceil(4).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Case and separators are the most common mistakes.
fn plain(word: &str) -> Vec<char> {
    word.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for row in 1..=a.len() {
        let mut current = vec![row; b.len() + 1];
        for column in 1..=b.len() {
            let replaced = above[column - 1] + usize::from(a[row - 1] != b[column - 1]);
            let mut best = replaced.min(above[column] + 1).min(current[column - 1] + 1);
            if row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1] {
                best = best.min(before[column - 2] + 1);
            }
            current[column] = best;
        }
        before = std::mem::replace(&mut above, current);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = [
            "upstreams",
            "name",
            "strategy",
            "sourceAddress",
            "rateLimit",
            "port",
            "endPort",
        ];
        assert_eq!(nearest("upstream", known), Some("upstreams"));
        assert_eq!(nearest("straetgy", known), Some("strategy"));
        assert_eq!(nearest("source_address", known), Some("sourceAddress"));
        assert_eq!(nearest("RateLimit", known), Some("rateLimit"));
        assert_eq!(nearest("ports", known), Some("port"));
        assert_eq!(nearest("end-port", known), Some("endPort"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}
