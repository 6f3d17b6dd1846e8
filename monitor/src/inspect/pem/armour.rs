//! Cuts a PEM file into its sections as Go's encoding/pem does: RFC 7468, with the headers of RFC 1421. What it decodes is
//! wiped when it goes.

use data_encoding::BASE64_MIME_PERMISSIVE;
use zeroize::Zeroizing;

/// A megabyte has room for twenty thousand empty ones.
const SECTION_LIMIT: usize = 4096;

/// One section, as it stands in the file.
pub(super) struct Section<'f> {
    label: &'f [u8],
    /// The lines between the marks.
    body: &'f [u8],
}

/// What a section is for, by its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Certificate,
    Key,
    EncryptedKey,
    Other,
}

/// The sections that begin and end. As in Go, a mark stands at the start of a line.
pub(super) fn sections(file: &[u8]) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    let mut rest = file;
    let mut open: Option<(&[u8], &[u8])> = None;
    while sections.len() < SECTION_LIMIT {
        let left = rest.len();
        let Some(line) = next_line(&mut rest) else { break };
        if let Some(label) = marked(line, b"-----BEGIN ") {
            open = Some((label, rest));
        } else if let Some(end) = marked(line, b"-----END ")
            && let Some((label, behind)) = open.take()
            && label == end
        {
            let body = behind.get(..behind.len().saturating_sub(left)).unwrap_or_default();
            sections.push(Section { label, body });
        }
    }
    sections
}

impl<'f> Section<'f> {
    pub(super) fn holds(&self) -> Holds {
        match self.label {
            b"CERTIFICATE" => Holds::Certificate,
            b"ENCRYPTED PRIVATE KEY" => Holds::EncryptedKey,
            // OpenSSL's own way before PKCS #8: `Proc-Type: 4,ENCRYPTED`.
            b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" => {
                let is_encrypted = self.lines().any(|line| is_header(line) && line.ends_with(b"ENCRYPTED"));
                if is_encrypted { Holds::EncryptedKey } else { Holds::Key }
            }
            _ => Holds::Other,
        }
    }

    /// What its text stands for.
    pub(super) fn der(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::with_capacity(self.body.len()));
        for line in self.lines().filter(|line| !is_header(line)) {
            text.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        }
        let mut der = Zeroizing::new(vec![0; BASE64_MIME_PERMISSIVE.decode_len(text.len()).ok()?]);
        let length = BASE64_MIME_PERMISSIVE.decode_mut(&text, &mut der).ok()?;
        der.truncate(length);
        Some(der)
    }

    fn lines(&self) -> impl Iterator<Item = &'f [u8]> {
        let mut rest = self.body;
        std::iter::from_fn(move || next_line(&mut rest)).map(<[u8]>::trim_ascii)
    }
}

/// The next line without its end, which may be that of any system.
fn next_line<'f>(rest: &mut &'f [u8]) -> Option<&'f [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
    let (line, behind) = rest.split_at(end);
    *rest = behind.get(1..).unwrap_or_default();
    Some(line)
}

/// The label of a line that begins or ends a section.
fn marked<'f>(line: &'f [u8], mark: &[u8]) -> Option<&'f [u8]> {
    line.trim_ascii_end().strip_prefix(mark)?.strip_suffix(b"-----")
}

/// No letter of base64.
fn is_header(line: &[u8]) -> bool {
    line.contains(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(file: &str) -> Vec<Holds> {
        sections(file.as_bytes()).iter().map(Section::holds).collect()
    }

    #[test]
    fn a_section_is_read_whatever_its_line_ends_and_headers() {
        for file in [
            "-----BEGIN X-----\nAQID\nBA==\n-----END X-----\n",
            "text before\r\n-----BEGIN X-----\r\nAQ ID\r\n BA==\r\n-----END X----- \r\n",
            "-----BEGIN X-----\nNote: yes\n\nAQIDBA==\n-----END X-----",
        ] {
            let sections = sections(file.as_bytes());
            assert_eq!(sections.len(), 1, "{file}");
            assert_eq!(**sections[0].der().unwrap(), [1, 2, 3, 4], "{file}");
        }
    }

    #[test]
    fn labels_and_headers_tell_what_a_section_is_for() {
        let section =
            |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        assert_eq!(holds(&section("CERTIFICATE", "AA==")), [Holds::Certificate]);
        assert_eq!(holds(&section("EC PRIVATE KEY", "AA==")), [Holds::Key]);
        assert_eq!(holds(&section("ENCRYPTED PRIVATE KEY", "AA==")), [Holds::EncryptedKey]);
        let old = section("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAA==");
        assert_eq!(holds(&old), [Holds::EncryptedKey]);
        assert_eq!(holds(&section("OPENSSH PRIVATE KEY", "AA==")), [Holds::Other]);
    }

    #[test]
    fn what_does_not_end_or_is_indented_is_no_section() {
        assert_eq!(holds("-----BEGIN CERTIFICATE-----\nAA=="), []);
        assert_eq!(holds("  -----BEGIN CERTIFICATE-----\n  AA==\n  -----END CERTIFICATE-----"), []);
        assert_eq!(holds("-----BEGIN CERTIFICATE-----\nAA==\n-----END PRIVATE KEY-----"), []);
        assert_eq!(
            holds("-----BEGIN X-----\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"),
            [Holds::Certificate]
        );
    }

    #[test]
    fn broken_text_has_no_meaning_and_many_sections_have_a_limit() {
        let one = "-----BEGIN X-----\nA?==\n-----END X-----\n";
        assert!(sections(one.as_bytes())[0].der().is_none());
        assert_eq!(sections(one.repeat(SECTION_LIMIT + 9).as_bytes()).len(), SECTION_LIMIT);
    }
}
