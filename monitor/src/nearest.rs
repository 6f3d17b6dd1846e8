//! Which known word a mistyped one was meant to be. Pure.

/// The candidate nearest to `word`, if it is near enough to be a slip.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let words = ["listen", "socket", "log_level", "log_format"];
        assert_eq!(nearest("lisen", words), Some("listen"));
        assert_eq!(nearest("log_fromat", words), Some("log_format"));
        assert_eq!(nearest("zebra", words), None);
    }
}
