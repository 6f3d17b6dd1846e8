//! Which words of a text are coloured, and how. Never decides whether colour is wanted.

use anstyle::{AnsiColor, Style};

use crate::model::diagnosis::Severity;

/// The styles of one text. [`Theme::plain`] emits no control sequence at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Theme {
    error: Style,
    warning: Style,
    info: Style,
    good: Style,
    /// Headings and names.
    pub strong: Style,
    /// Times and other side notes.
    pub faint: Style,
}

impl Theme {
    /// Text for a file or a pipe.
    #[must_use]
    pub const fn plain() -> Self {
        let none = Style::new();
        Self { error: none, warning: none, info: none, good: none, strong: none, faint: none }
    }

    /// Text for a terminal; write it through `anstream`, which drops the colours where they are not wanted.
    #[must_use]
    pub const fn coloured() -> Self {
        Self {
            error: AnsiColor::Red.on_default().bold(),
            warning: AnsiColor::Yellow.on_default().bold(),
            info: AnsiColor::Cyan.on_default(),
            good: AnsiColor::Green.on_default(),
            strong: Style::new().bold(),
            faint: Style::new().dimmed(),
        }
    }

    /// The style of a severity's word.
    #[must_use]
    pub const fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Error => self.error,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }

    /// The style of "nothing found".
    #[must_use]
    pub const fn good(&self) -> Style {
        self.good
    }
}
