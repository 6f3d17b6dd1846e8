//! The lines of gomon's own log, as text and as JSON: what a field carries from outside neither ends a line nor steers a
//! terminal, whichever call site forgot to see to it.

use std::fmt::{self, Debug};

use serde_json::{Map, Value, json};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    field::MakeExt as _,
    fmt::{
        self as lines, FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

use crate::{config::LogFormat, model::text::inert};

/// Writes each event as one line.
pub(super) fn layer<S, W>(format: LogFormat, ansi: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => {
            let fields = lines::format::debug_fn(text_field).delimited(" ");
            lines::layer().with_ansi(ansi).with_target(false).fmt_fields(fields).with_writer(writer).boxed()
        }
        LogFormat::Json => lines::layer().event_format(JsonLine).with_writer(writer).boxed(),
    }
}

fn text_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let text = format!("{value:?}");
    let text = inert(&text);
    match field.name() {
        "message" => write!(writer, "{text}"),
        name => write!(writer, "{name}={text}"),
    }
}

/// One object a line: `timestamp`, `level`, `fields`, `target`.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = json!({
            "timestamp": timestamp,
            "level": metadata.level().as_str(),
            "fields": fields.0,
            "target": metadata.target(),
        });
        writeln!(writer, "{line}")
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, inert(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, inert(&format!("{value:?}")).into());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::model::text::is_inert;

    const HOSTILE: &str = "a\u{1b}[2J\r\nERROR forged\u{202e}\u{9b}31m";

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'writer> MakeWriter<'writer> for Buffer {
        type Writer = Self;

        fn make_writer(&'writer self) -> Self {
            self.clone()
        }
    }

    /// What one hostile event looks like.
    fn logged(format: LogFormat) -> String {
        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::registry().with(layer(format, false, buffer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let error = io::Error::other(HOSTILE);
            tracing::warn!(name = HOSTILE, %error, debug = ?HOSTILE, count = 7_u64, is_new = true, "watching {HOSTILE}");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_hostile_field_stays_on_its_line_of_text_and_steers_nothing() {
        let text = logged(LogFormat::Text);
        let line = text.strip_suffix('\n').unwrap();
        assert!(is_inert(line), "{line:?}");
        assert!(line.contains("WARN watching a\\u{1b}[2J\\r\\nERROR forged\\u{202e}"), "{line}");
        assert!(line.contains(" error=a\\u{1b}[2J") && line.ends_with(" count=7 is_new=true"), "{line}");
    }

    #[test]
    fn a_hostile_field_is_inert_for_whoever_decodes_the_json_too() {
        let text = logged(LogFormat::Json);
        let line = text.strip_suffix('\n').unwrap();
        assert!(is_inert(line), "{line:?}");
        let value: Value = serde_json::from_str(line).unwrap();
        for name in ["message", "name", "error", "debug"] {
            let text = value["fields"][name].as_str().unwrap();
            assert!(is_inert(text) && text.contains("forged"), "{name}: {text:?}");
        }
        assert_eq!((&value["level"], &value["fields"]["count"]), (&json!("WARN"), &json!(7)));
        assert!(value["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(value["target"], module_path!());
    }
}
