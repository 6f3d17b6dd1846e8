//! Makes a string that a container wrote inert before a person or a machine reads it.

use std::borrow::Cow;

/// Escapes what can steer a terminal, reorder text or end a line: control characters, bidirectional
/// controls and the zero-width characters of Unicode. Everything else passes unchanged.
#[must_use]
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_active(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// [`inert`], and no longer than `max` characters (an ellipsis marks the cut).
#[must_use]
pub fn inert_short(text: &str, max: usize) -> String {
    let safe = inert(text);
    match safe.char_indices().nth(max) {
        None => safe.into_owned(),
        Some((cut, _)) => format!("{}…", safe.get(..cut).unwrap_or_default()),
    }
}

/// [`inert`] of a text that has lines of its own: only their ends stay.
#[must_use]
pub fn inert_lines(text: &str) -> String {
    text.split('\n').map(inert).collect::<Vec<_>>().join("\n")
}

/// Whether [`inert`] would leave it as it is.
#[must_use]
pub fn is_inert(text: &str) -> bool {
    !text.chars().any(is_active)
}

/// Control characters (Cc), bidi controls (UAX #9), and characters without a width that hide text: zero-width ones, soft
/// hyphens, annotations and tags.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_bidi_controls_become_visible_text() {
        assert_eq!(inert("\u{1b}[2J\u{202e}x\r\n"), "\\u{1b}[2J\\u{202e}x\\r\\n");
        assert_eq!(inert("größe/файл"), "größe/файл");
        assert_eq!(inert("a\u{ad}\u{e0041}\u{fffa}"), "a\\u{ad}\\u{e0041}\\u{fffa}");
        assert_eq!(inert_lines("a\r\nb\u{7}"), "a\\r\nb\\u{7}");
    }

    #[test]
    fn a_long_string_is_cut_at_a_character() {
        assert_eq!(inert_short("ääää", 2), "ää…");
        assert_eq!(inert_short("ab", 2), "ab");
    }
}
