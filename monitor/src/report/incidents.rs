//! Incidents as a table, as pages and as documents. Pure: values in, text out; no IO.

mod answer;
mod document;
mod table;

use serde::Serialize;

pub use answer::{AnswerError, read, read_one};
pub use document::{Document, Listed};

use super::{Format, RenderError, Theme, columns, markdown};
use crate::model::{
    diagnosis::{Conclusion, Verdict},
    incident::{EPOCH, Incident},
};

/// The JSON Schema of [`Listed`] and, under `$defs/incident_document`, of [`Document`].
pub const SCHEMA: &str = include_str!("../../../docs/incidents.schema.json");

/// Many incidents; `total` is how many there are, also where fewer are shown. The text ends in a line break.
pub fn list(
    incidents: &[Incident],
    total: u64,
    format: Format,
    theme: &Theme,
) -> Result<String, RenderError> {
    match format {
        Format::Columns => Ok(table::text(incidents, total, false, theme)),
        Format::Wide => Ok(table::text(incidents, total, true, theme)),
        Format::Markdown => Ok(table::markdown(incidents, total)),
        Format::Jsonl => incidents.iter().map(|one| line(&Document::of(one))).collect(),
        Format::Json | Format::Yaml => document(&Listed::new(incidents, total), format),
    }
}

/// The whole of one incident. The text ends in a line break.
pub fn show(incident: &Incident, format: Format, theme: &Theme) -> Result<String, RenderError> {
    match format {
        Format::Columns | Format::Wide => {
            let width = if format == Format::Wide { columns::Width::Wide } else { columns::Width::Columns };
            let text = columns::text(&conclusion(incident), EPOCH, width, theme);
            Ok(format!("{}{}", table::heading(incident, theme), text) + &table::timeline(incident, theme))
        }
        Format::Markdown => {
            let page = markdown::page(&conclusion(incident), EPOCH);
            Ok(page + &table::markdown_timeline(incident))
        }
        Format::Jsonl => line(&Document::new(incident)),
        Format::Json | Format::Yaml => document(&Document::new(incident), format),
    }
}

/// As if a container had this one finding.
fn conclusion(incident: &Incident) -> Conclusion {
    let told = &incident.told;
    Conclusion {
        container: told.diagnosis.container.clone(),
        identity: told.identity.clone(),
        verdict: Verdict::Findings,
        diagnoses: vec![told.diagnosis.clone()],
        ending: told.ending.clone(),
        coverage: told.coverage.clone(),
    }
}

fn line(value: &impl Serialize) -> Result<String, RenderError> {
    Ok(serde_json::to_string(value)? + "\n")
}

fn document(value: &impl Serialize, format: Format) -> Result<String, RenderError> {
    let mut out = match format {
        Format::Yaml => serde_saphyr::to_string(value)?,
        Format::Json | Format::Jsonl | Format::Columns | Format::Wide | Format::Markdown => {
            serde_json::to_string_pretty(value)?
        }
    };
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
