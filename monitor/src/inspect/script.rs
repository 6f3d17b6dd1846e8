//! The first line of a script as the kernel's `load_script` (`fs/binfmt_script.c`) reads it. Pure.

/// `BINPRM_BUF_SIZE`: the kernel sees no more of a file before it chooses a format.
pub(super) const HEAD_BYTES: usize = 256;

/// A `#!` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shebang {
    pub(super) interpreter: String,
    pub(super) argument: Option<String>,
    pub(super) crlf: bool,
}

/// Reads the first bytes of a file; `None` where the kernel would answer ENOEXEC.
pub(super) fn shebang(head: &[u8]) -> Option<Shebang> {
    let rest = head.get(..head.len().min(HEAD_BYTES))?.strip_prefix(b"#!")?;
    let (line, crlf) = match rest.iter().position(|&b| b == b'\n') {
        Some(end) => {
            let line = rest.get(..end)?;
            (line, line.ends_with(b"\r"))
        }
        // Without an end in sight the interpreter's name must at least end.
        None => (unterminated(rest, head.len() >= HEAD_BYTES)?, false),
    };
    let line = trim(line);
    let end = line.iter().position(|&b| is_blank(b) || b == 0).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at_checked(end)?;
    if interpreter.is_empty() {
        return None;
    }
    let argument = if rest.first() == Some(&0) { &[] } else { until_nul(trim(rest)) };
    Some(Shebang {
        interpreter: lossy(interpreter),
        argument: (!argument.is_empty()).then(|| lossy(argument)),
        crlf,
    })
}

fn unterminated(rest: &[u8], cut: bool) -> Option<&[u8]> {
    let start = rest.iter().position(|&b| !is_blank(b))?;
    let ends = !cut || rest.get(start..)?.iter().any(|&b| is_blank(b) || b == 0);
    ends.then_some(rest)
}

/// Whether the bytes read as text: the kernel does not care, a shell would run it.
pub(super) fn is_text(head: &[u8]) -> bool {
    let head = head.get(..64).unwrap_or(head);
    !head.is_empty() && head.iter().all(|&b| b >= 0x80 || b.is_ascii_graphic() || matches!(b, b' ' | 9..=13))
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&b| !is_blank(b)).unwrap_or(line.len());
    let end = line.iter().rposition(|&b| !is_blank(b)).map_or(start, |last| last.saturating_add(1));
    line.get(start..end).unwrap_or_default()
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(String, Option<String>, bool)> {
        shebang(line.as_bytes()).map(|s| (s.interpreter, s.argument, s.crlf))
    }

    #[test]
    fn blanks_part_the_interpreter_from_one_argument() {
        assert_eq!(read("#!/bin/sh\n"), Some(("/bin/sh".into(), None, false)));
        assert_eq!(
            read("#! \t/bin/sh \t-e  -x \nrest"),
            Some(("/bin/sh".into(), Some("-e  -x".into()), false))
        );
        assert_eq!(read("#!/bin/sh"), Some(("/bin/sh".into(), None, false)));
    }

    #[test]
    fn a_carriage_return_belongs_to_the_name() {
        assert_eq!(read("#!/bin/sh\r\necho"), Some(("/bin/sh\r".into(), None, true)));
        assert_eq!(read("#!/usr/bin/env sh\r\n"), Some(("/usr/bin/env".into(), Some("sh\r".into()), true)));
    }

    #[test]
    fn a_line_without_a_name_is_no_script() {
        for head in ["#!", "#!\n/bin/sh", "#!  \t \n", "#", "", "#!\0"] {
            assert_eq!(read(head), None, "{head:?}");
        }
    }

    #[test]
    fn the_kernel_reads_no_further_than_its_buffer() {
        let long = format!("#!/{}\n", "x".repeat(300));
        assert_eq!(read(&long), None, "the name may be cut");
        let argument = format!("#!/bin/sh {}\n", "x".repeat(300));
        assert_eq!(read(&argument).unwrap().1.unwrap().len(), HEAD_BYTES - "#!/bin/sh ".len());
    }

    #[test]
    fn text_is_told_from_bytes() {
        assert!(is_text("echo grüß\r\n".as_bytes()));
        assert!(!is_text(b"\x7fELF\x02\x00") && !is_text(b""));
    }
}
