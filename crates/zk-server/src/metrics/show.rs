//! The metrics as people and programs read them: pairs for `mntr` and `monitor`, text for Prometheus.

use std::fmt::{self, Write};

use super::registry::Registry;
use super::summary::Summary;

/// Quantiles of `mntr`, and what stands before the name.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];
/// Quantiles in Prometheus, of summaries without and with percentiles.
const BASIC_QUANTILES: &[f64] = &[0.5];
const ADVANCED_QUANTILES: &[f64] = &[0.5, 0.9, 0.99];

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Int(i64),
    Double(f64),
    Text(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(number) => write!(f, "{number}"),
            Value::Double(number) => f.write_str(&java_double(*number)),
            Value::Text(text) => f.write_str(text),
        }
    }
}

/// What is as it is at one moment: name and value.
pub(crate) type Gauges = Vec<(&'static str, Value)>;

/// Name and value of everything, as `mntr` (with `zk_` in front) and `monitor` show it.
pub(crate) fn monitor(gauges: &[(&'static str, Value)], registry: &Registry) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> =
        gauges.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    all.extend(registry.counters().map(|(name, value)| (name.to_owned(), int(value))));
    for (name, summary) in registry.basic() {
        push_figures(&mut all, name, summary);
    }
    for (name, summary) in registry.advanced() {
        push_figures(&mut all, name, summary);
        all.extend(PERCENTILES.map(|(word, quantile)| (format!("{word}_{name}"), int(summary.percentile(quantile)))));
    }
    for (metric, summaries) in registry.by_namespace() {
        for (namespace, summary) in summaries {
            push_figures(&mut all, &format!("{namespace}_{metric}"), summary);
        }
    }
    all
}

fn push_figures(all: &mut Vec<(String, Value)>, name: &str, summary: &Summary) {
    let figures = &summary.figures;
    all.extend([
        (format!("avg_{name}"), Value::Double(figures.mean())),
        (format!("min_{name}"), int(figures.min())),
        (format!("max_{name}"), int(figures.max)),
        (format!("cnt_{name}"), int(figures.count)),
        (format!("sum_{name}"), int(figures.sum)),
    ]);
}

fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The text that Prometheus reads, of the samples whose names `wanted` takes. `process` is about the process itself.
pub(crate) fn prometheus(
    gauges: &[(&'static str, Value)],
    registry: &Registry,
    process: &[(&str, f64)],
    wanted: impl Fn(&str) -> bool,
) -> String {
    let mut text = Text { out: String::new(), wanted };
    for (name, value) in gauges {
        match value {
            Value::Int(number) => text.single(name, "gauge", *number as f64),
            Value::Double(number) => text.single(name, "gauge", *number),
            Value::Text(_) => {}
        }
    }
    for (name, value) in registry.counters() {
        text.single(name, "counter", value as f64);
    }
    for (name, summary) in registry.basic() {
        text.summary(name, BASIC_QUANTILES, &[(None, summary)]);
    }
    for (name, summary) in registry.advanced() {
        text.summary(name, ADVANCED_QUANTILES, &[(None, summary)]);
    }
    for (name, summaries) in registry.by_namespace() {
        let summaries: Vec<_> = summaries.into_iter().map(|(namespace, summary)| (Some(namespace), summary)).collect();
        text.summary(name, BASIC_QUANTILES, &summaries);
    }
    for (name, value) in process {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        text.single(name, kind, *value);
    }
    text.out
}

struct Text<W> {
    out: String,
    wanted: W,
}

impl<W: Fn(&str) -> bool> Text<W> {
    fn put(&mut self, line: fmt::Arguments<'_>) {
        let written = self.out.write_fmt(line);
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }

    fn head(&mut self, name: &str, kind: &str) {
        self.put(format_args!("# HELP {name} {name}\n# TYPE {name} {kind}\n"));
    }

    fn single(&mut self, name: &str, kind: &str, value: f64) {
        if (self.wanted)(name) {
            self.head(name, kind);
            self.put(format_args!("{name} {}\n", java_number(value)));
        }
    }

    fn summary(&mut self, name: &str, quantiles: &[f64], summaries: &[(Option<&str>, &Summary)]) {
        let (count, sum) = (format!("{name}_count"), format!("{name}_sum"));
        let [wants_quantiles, wants_count, wants_sum] = [name, &count, &sum].map(|sample| (self.wanted)(sample));
        if !(wants_quantiles || wants_count || wants_sum) {
            return;
        }
        self.head(name, "summary");
        for (key, summary) in summaries {
            let key = key.map(|key| format!("key=\"{}\",", label(key))).unwrap_or_default();
            for quantile in quantiles.iter().filter(|_| wants_quantiles) {
                let value = summary.recent(*quantile).map_or_else(|| "NaN".to_owned(), java_number);
                self.put(format_args!("{name}{{{key}quantile=\"{quantile}\",}} {value}\n"));
            }
            let labels = if key.is_empty() { String::new() } else { format!("{{{key}}}") };
            let figures = &summary.figures;
            if wants_count {
                self.put(format_args!("{count}{labels} {}\n", java_number(figures.count as f64)));
            }
            if wants_sum {
                self.put(format_args!("{sum}{labels} {}\n", java_number(figures.sum as f64)));
            }
        }
    }
}

/// A label's value: what would end it is escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// At most four decimals, as Apache rounds its means.
pub(crate) fn java_double(value: f64) -> String {
    java_number((value * 10_000.0).round() / 10_000.0)
}

/// A number as `Double.toString` prints it: with at least one decimal, and in powers of ten where it is below 0.001 or
/// not below ten million.
fn java_number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{power}")
}

#[cfg(test)]
mod tests {
    use time_types::Tick;

    use super::super::definitions as names;
    use super::*;

    #[test]
    fn doubles_as_java_prints_them() {
        let printed = [0.0, 4.857_142, 12.5, 100.0, 0.000_52, 12_345_678.5, 1e10, -0.5].map(java_double);
        assert_eq!(printed, ["0.0", "4.8571", "12.5", "100.0", "5.0E-4", "1.23456785E7", "1.0E10", "-0.5"]);
        assert_eq!(java_number(0.001), "0.001");
        assert_eq!(java_number(f64::NAN), "NaN");
    }

    fn registry() -> Registry {
        let mut registry = Registry::new(true, Tick(0));
        registry.count(names::RESPONSE_BYTES, 20_000_000);
        for value in [1, 2, 6] {
            registry.add(names::READ_LATENCY, value);
        }
        registry.read_at("/a\"/b", 5);
        registry
    }

    #[test]
    fn pairs() {
        let gauges =
            vec![("version", Value::Text("v")), ("avg_latency", Value::Double(0.5)), ("znode_count", Value::Int(5))];
        let all = monitor(&gauges, &registry());
        let of = |name: &str| all.iter().find(|(found, _)| found == name).map(|(_, value)| value.to_string());
        assert_eq!(of("version").as_deref(), Some("v"));
        assert_eq!(of("response_bytes").as_deref(), Some("20000000"));
        assert_eq!(of("avg_readlatency").as_deref(), Some("3.0"));
        assert_eq!(of("p50_readlatency").as_deref(), Some("2"));
        assert_eq!(of("cnt_a\"_read_per_namespace").as_deref(), Some("1"));
        assert_eq!(of("p50_fsynctime"), None);
    }

    #[test]
    fn text_for_prometheus() {
        let gauges = vec![("version", Value::Text("v")), ("znode_count", Value::Int(5))];
        let text = prometheus(&gauges, &registry(), &[("process_cpu_seconds_total", 0.25)], |_| true);
        for expected in [
            "# HELP znode_count znode_count\n# TYPE znode_count gauge\nznode_count 5.0\n",
            "# TYPE response_bytes counter\nresponse_bytes 2.0E7\n",
            "readlatency{quantile=\"0.5\",} 2.0\n",
            "readlatency_count 3.0\nreadlatency_sum 9.0\n",
            "fsynctime{quantile=\"0.5\",} NaN\nfsynctime_count 0.0\n",
            "read_per_namespace_count{key=\"a\\\"\",} 1.0\n",
            "process_cpu_seconds_total 0.25\n",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
        assert!(!text.contains("version"));
        let some = prometheus(&gauges, &registry(), &[], |name| name == "znode_count");
        assert_eq!(some.lines().count(), 3);
    }
}
