//! One scrape of the agent's metrics in Prometheus' text format; finds samples by name and labels.

/// The text of a scrape.
pub(crate) struct Metrics(String);

/// One line of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample<'a> {
    pub(crate) line: &'a str,
    labels: &'a str,
    value: &'a str,
}

impl Metrics {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The samples of a metric, in the order of the page.
    pub(crate) fn samples<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = Sample<'a>> {
        self.0.lines().filter_map(move |line| Sample::parse(metric, line))
    }

    /// The sum of a counter over all samples that have these labels.
    pub(crate) fn count(&self, metric: &str, labels: &[(&str, &str)]) -> u64 {
        let fits = |sample: &Sample<'_>| labels.iter().all(|(key, value)| sample.has(key, value));
        self.samples(metric).filter(fits).map(|sample| sample.count()).sum()
    }

    /// The value of a metric without labels.
    pub(crate) fn value(&self, metric: &str) -> Option<f64> {
        self.samples(metric).next()?.value.parse().ok()
    }
}

impl<'a> Sample<'a> {
    fn parse(metric: &str, line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix(metric)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        Some(Self { line, labels, value: value.trim() })
    }

    /// A value cannot hold an unescaped quote, so this text is nowhere but in a label of its own.
    pub(crate) fn has(&self, key: &str, value: &str) -> bool {
        self.label(key).is_some_and(|found| found == value)
    }

    /// The value of a label as it stands on the page, escapes and all.
    pub(crate) fn label(&self, key: &str) -> Option<&'a str> {
        let start = format!("{key}=\"");
        let (at, _) = self.labels.match_indices(&start).find(|(at, _)| {
            let before = self.labels.get(..*at).unwrap_or_default();
            before.is_empty() || before.ends_with(',')
        })?;
        let value = self.labels.get(at + start.len()..)?;
        let end = value.match_indices('"').find(|(at, _)| !is_escaped(value, *at))?.0;
        value.get(..end)
    }

    /// A whole number; zero if it is none.
    pub(crate) fn count(&self) -> u64 {
        self.value.parse().unwrap_or(0)
    }

    pub(crate) fn number(&self) -> Option<f64> {
        self.value.parse().ok()
    }
}

/// An odd number of backslashes stands before it.
fn is_escaped(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP a_total Counts.\n# TYPE a_total counter\n\
        a_total{name=\"x\",kind=\"one\"} 3\na_total{name=\"y\",kind=\"one\"} 4\na_total{name=\"z\\\",kind=\\\"one\"} 5\n\
        a_total_other{name=\"x\"} 9\nbytes 2.5e6\n";

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let page = Metrics::new(PAGE.to_owned());
        assert_eq!(page.count("a_total", &[]), 12);
        assert_eq!(page.count("a_total", &[("kind", "one")]), 7);
        assert_eq!(page.count("a_total", &[("kind", "one"), ("name", "y")]), 4);
        assert_eq!(page.count("a_total", &[("nam", "y")]), 0);
        assert_eq!(page.samples("a_total").nth(2).unwrap().label("name"), Some("z\\\",kind=\\\"one"));
        assert_eq!(page.value("bytes"), Some(2.5e6));
    }
}
