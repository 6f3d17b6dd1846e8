//! A conclusion in each of its forms, behind one function. Pure.

use crate::model::{diagnosis::Conclusion, time::BootEpoch};

use super::{
    Theme,
    columns::{self, Width},
    json::Document,
    markdown,
};

/// The form of a conclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people, abridged.
    Columns,
    /// Text for people, whole.
    Wide,
    /// One indented document.
    Json,
    /// One document on one line.
    Jsonl,
    /// The document of `Json` as YAML.
    Yaml,
    /// A page for an issue or a chat.
    Markdown,
}

/// Why a conclusion could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("cannot write the conclusion as JSON")]
    Json(#[from] serde_json::Error),
    #[error("cannot write the conclusion as YAML")]
    Yaml(#[from] serde_saphyr::SerializeError),
}

/// The text of `conclusion`, which ends in a line break. Only the text forms use `theme`.
pub fn render(
    conclusion: &Conclusion,
    format: Format,
    epoch: BootEpoch,
    theme: &Theme,
) -> Result<String, RenderError> {
    let document = || Document::new(conclusion, epoch);
    let mut out = match format {
        Format::Columns => columns::text(conclusion, epoch, Width::Columns, theme),
        Format::Wide => columns::text(conclusion, epoch, Width::Wide, theme),
        Format::Markdown => markdown::page(conclusion, epoch),
        Format::Json => serde_json::to_string_pretty(&document())?,
        Format::Jsonl => serde_json::to_string(&document())?,
        Format::Yaml => serde_saphyr::to_string(&document())?,
    };
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::samples::{self, EPOCH};

    fn rendered(format: Format) -> String {
        render(&samples::finding(), format, EPOCH, &Theme::plain()).unwrap()
    }

    #[test]
    fn json_jsonl_and_yaml_say_the_same() {
        let json: Value = serde_json::from_str(&rendered(Format::Json)).unwrap();
        let jsonl = rendered(Format::Jsonl);
        assert_eq!(jsonl.lines().count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&jsonl).unwrap(), json);
        assert_eq!(serde_saphyr::from_str::<Value>(&rendered(Format::Yaml)).unwrap(), json);
    }

    #[test]
    fn every_form_ends_in_one_line_break() {
        for format in
            [Format::Columns, Format::Wide, Format::Json, Format::Jsonl, Format::Yaml, Format::Markdown]
        {
            let text = rendered(format);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{format:?}");
        }
    }
}
