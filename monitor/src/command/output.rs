//! Standard output and error with the colours that are wanted. A closed pipe is an error here and an end in `main`.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;

use super::exit::Failure;
use crate::{cli::Color, model::text::inert_lines, report::Theme};

/// Where a command writes.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    choice: ColorChoice,
}

impl Output {
    /// With `auto`, colours go to a terminal only, and not where `NO_COLOR` is set.
    #[must_use]
    pub fn new(color: Color) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { choice }
    }

    /// The styles for [`Self::print`], which drops them where they are not wanted.
    #[must_use]
    pub fn theme(self) -> Theme {
        match self.choice {
            ColorChoice::Never => Theme::plain(),
            ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => Theme::coloured(),
        }
    }

    /// Writes `text` to standard output at once.
    pub fn print(self, text: &str) -> io::Result<()> {
        let mut stream = AutoStream::new(io::stdout().lock(), self.choice);
        stream.write_all(text.as_bytes())?;
        stream.flush()
    }

    /// Tells why a command gave up.
    pub fn error(self, failure: &Failure) {
        let mut stream = AutoStream::new(io::stderr().lock(), self.choice);
        let red = AnsiColor::Red.on_default().bold();
        // Nobody is left to tell.
        let _ = writeln!(stream, "{red}error:{red:#} {}", inert_lines(&failure.to_string()));
    }
}
