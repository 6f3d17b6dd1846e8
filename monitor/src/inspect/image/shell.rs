//! Which program a line of shell needs to succeed. Says nothing where it would have to understand the line.

/// What shells know by themselves: POSIX.1-2017, 2.4 and 2.14, and what dash, bash and BusyBox add.
const OWN_WORDS: [&str; 62] = [
    "!", ".", ":", "[", "[[", "{", "}", "alias", "bg", "break", "builtin", "case", "cd", "command",
    "continue", "declare", "do", "done", "echo", "elif", "else", "esac", "eval", "exit", "export", "false",
    "fc", "fg", "fi", "for", "function", "getopts", "hash", "if", "in", "jobs", "kill", "let", "local",
    "printf", "pwd", "read", "readonly", "return", "select", "set", "shift", "source", "test", "then",
    "time", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unset", "until", "wait", "while",
];

/// The first program that the line runs, where its absence makes the line fail.
pub(in crate::inspect) fn first_command(line: &str) -> Option<&str> {
    let line = line.trim();
    // What comes after has the last word.
    let goes_on = line.contains([';', '\n']) || line.ends_with('&');
    if goes_on || line.split("||").skip(1).any(|otherwise| !fails(otherwise)) {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    let word = if first == "exec" { words.next()? } else { first };
    (is_plain(word) && !OWN_WORDS.contains(&word)).then_some(word)
}

/// `exit 1` and the like.
fn fails(otherwise: &str) -> bool {
    let words: Vec<&str> = otherwise.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["false" | "exit"] | ["kill", ..] => true,
        ["exit", status] => status.parse::<u8>().is_ok_and(|status| status != 0),
        _ => false,
    }
}

/// Neither quoted nor expanded, no assignment, no option.
fn is_plain(word: &str) -> bool {
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./+@%:,".contains(&byte);
    word.bytes().all(is_harmless) && !word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plain_word_is_the_program() {
        for (line, program) in [
            ("curl -f http://localhost/ || exit 1", "curl"),
            ("  wget -q -O- http://localhost:80/?a=1&b=2 >/dev/null", "wget"),
            ("exec /app/server -health", "/app/server"),
            ("pg_isready -U $USER||exit 1", "pg_isready"),
            ("ps aux | grep server", "ps"),
            ("nc -z localhost 80 && curl x || kill 1", "nc"),
        ] {
            assert_eq!(first_command(line), Some(program), "{line}");
        }
    }

    #[test]
    fn what_the_shell_itself_knows_or_expands_is_no_program() {
        for line in [
            "",
            "exit 0",
            "[ -f /tmp/ok ]",
            "test -f /tmp/ok",
            "if curl x",
            "! curl x",
            "( curl x )",
            "$TOOL x",
            "\"curl\" x",
            "A=b curl x",
            "`which curl` x",
            "exec",
            "exec -a x curl",
            "command -v curl",
            "echo ok",
            "-x",
            "cu*l",
        ] {
            assert_eq!(first_command(line), None, "{line}");
        }
    }

    #[test]
    fn a_program_whose_absence_is_made_up_for_is_not_needed() {
        for line in [
            "curl x || wget x",
            "curl x || true",
            "curl x || exit 0",
            "curl x; exit 0",
            "curl x\ntrue",
            "curl x &",
            "curl x || wget x || exit 1",
        ] {
            assert_eq!(first_command(line), None, "{line}");
        }
    }
}
