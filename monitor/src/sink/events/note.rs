//! The words of an event: within the limits of the API's validation, and inert. Pure.

use crate::model::{diagnosis::Diagnosis, text::inert};

/// `NoteLengthLimit` of the API server's validation, in bytes.
const NOTE_BYTES: usize = 1024;
/// `ReasonLengthLimit`, in bytes.
const REASON_BYTES: usize = 128;
const CUT: &str = "…";

/// `missing-interpreter` as `MissingInterpreter`.
pub(super) fn reason(pattern: &str) -> String {
    let word = |word: &str| {
        let mut signs = word.chars().filter(char::is_ascii_alphanumeric);
        let first = signs.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(signs).collect::<String>()
    };
    let reason: String = pattern.split('-').map(word).collect();
    reason.get(..REASON_BYTES).map_or(reason.clone(), str::to_owned)
}

/// What failed, how sure that is, and how the remedy begins.
pub(super) fn note(diagnosis: &Diagnosis) -> String {
    let Diagnosis { summary, confidence, remedy, .. } = diagnosis;
    let remedy = remedy.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let summary = summary.trim_end_matches('.');
    let mut note = format!("{} (confidence: {confidence}).", inert(summary));
    if !remedy.is_empty() {
        note.push_str(" Remedy: ");
        note.push_str(&inert(remedy));
    }
    cut(note, NOTE_BYTES)
}

/// At most so many bytes, cut between two characters, and the cut marked.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::text::is_inert, patterns::CATALOGUE, report::samples};

    #[test]
    fn every_pattern_has_a_reason_of_its_own_in_camel_case() {
        let mut reasons: Vec<String> = CATALOGUE.iter().map(|pattern| reason(pattern.id)).collect();
        assert!(reasons.contains(&"MissingInterpreter".to_owned()));
        assert!(reasons.iter().all(|reason| reason.starts_with(|c: char| c.is_ascii_uppercase())));
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), CATALOGUE.len());
        assert_eq!(reason(&"long-".repeat(99)).len(), 128);
    }

    #[test]
    fn a_note_tells_what_failed_how_sure_that_is_and_how_the_remedy_begins() {
        let diagnosis = Diagnosis {
            summary: "the loader is missing.".to_owned(),
            remedy: "\nbuild it statically:\n  CGO_ENABLED=0\n".to_owned(),
            ..samples::diagnosis()
        };
        assert_eq!(
            note(&diagnosis),
            "the loader is missing (confidence: certain). Remedy: build it statically:"
        );
        let without = Diagnosis { remedy: String::new(), ..diagnosis };
        assert_eq!(note(&without), "the loader is missing (confidence: certain).");
    }

    #[test]
    fn a_note_is_inert_and_fits_whatever_a_container_wrote() {
        for (summary, remedy) in [
            ("ä".repeat(600), String::new()),
            ("\u{1b}[2J\u{202e}\r\n".repeat(400), "x".to_owned()),
            ("x".to_owned(), "🦀".repeat(4_000)),
            ("x".repeat(1_001), "y".to_owned()),
        ] {
            let note = note(&Diagnosis { summary, remedy, ..samples::diagnosis() });
            assert!(note.len() <= NOTE_BYTES && is_inert(&note), "{note}");
        }
        assert_eq!(cut("äää".to_owned(), 6), "äää");
        assert_eq!(cut("äää".to_owned(), 5), "ä…");
    }
}
