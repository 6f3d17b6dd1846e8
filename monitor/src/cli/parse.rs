//! Values of options, parsed into gomon's own types.

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{model::diagnosis::Severity, report::Format};

const FORMATS: [(&str, Format); 6] = [
    ("columns", Format::Columns),
    ("wide", Format::Wide),
    ("json", Format::Json),
    ("jsonl", Format::Jsonl),
    ("yaml", Format::Yaml),
    ("markdown", Format::Markdown),
];

const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Error];

/// The forms of a conclusion.
pub fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(FORMATS.map(|(name, _)| name)).map(|text| {
        FORMATS.iter().find(|(name, _)| *name == text).map_or(Format::Columns, |(_, format)| *format)
    })
}

/// `info`, `warning` or `error`.
pub fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(SEVERITIES.map(Severity::name))
        .map(|text| SEVERITIES.into_iter().find(|severity| severity.name() == text).unwrap_or(Severity::Info))
}

/// The form of a stream: a line for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StreamFormat {
    Columns,
    #[value(alias = "json")]
    Jsonl,
}

/// The form of a manual page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    Columns,
    Markdown,
}

/// The form of a short answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    Columns,
    Json,
}

/// The form of a postmortem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PostmortemFormat {
    Markdown,
    Json,
    /// One page that needs nothing else
    Html,
}
