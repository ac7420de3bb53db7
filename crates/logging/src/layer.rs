//! The `tracing` layer that makes Apache's lines.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::output::Output;
use crate::zone::local_zone;

/// Formats every event as `[%d] %p %m (%c)` and writes it.
#[derive(Debug)]
pub struct ApacheLayer {
    output: Output,
}

impl ApacheLayer {
    /// Writes to `output`.
    pub fn new(output: Output) -> ApacheLayer {
        ApacheLayer { output }
    }
}

thread_local! {
    /// Kept from line to line, so that a line costs no allocation.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<S: Subscriber> Layer<S> for ApacheLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        LINE.with(|kept| {
            // A value whose Display logs comes here again; its line gets a buffer of its own.
            let mut line = kept.try_borrow_mut().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default();
            line.clear();
            format_event(&mut line, now(), local_zone(), event);
            self.output.write(&line);
            if let Ok(mut kept) = kept.try_borrow_mut() {
                *kept = line;
            }
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "a log line carries the time it was written at, nothing depends on it")]
fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn format_event(line: &mut String, now: Timestamp, zone: &TimeZone, event: &Event<'_>) {
    let metadata = event.metadata();
    let start = line.len();
    let mut fields = Fields { line, extra: String::new(), exception: String::new() };
    let written = write_head(fields.line, now, zone, metadata.level().as_str());
    debug_assert!(written.is_ok() && fields.line.len() > start, "writing to a string does not fail");
    event.record(&mut fields);
    let Fields { line, extra, exception } = fields;
    line.push_str(&extra);
    line.push_str(" (");
    line.push_str(metadata.target());
    line.push_str(")\n");
    if !exception.is_empty() {
        line.push_str(exception.trim_end());
        line.push('\n');
    }
}

/// `[2024-11-22 05:31:07,123] INFO `; jiff's own formatting is not used because it knows no comma.
fn write_head(line: &mut String, now: Timestamp, zone: &TimeZone, level: &str) -> fmt::Result {
    let local = zone.to_datetime(now);
    write!(line, "[{:04}-{:02}-{:02} ", local.year(), local.month(), local.day())?;
    write!(line, "{:02}:{:02}:{:02},", local.hour(), local.minute(), local.second())?;
    write!(line, "{:03}] {level} ", local.millisecond())
}

/// Sorts an event's fields: the message into the line, the exception below it, the rest behind the message.
struct Fields<'a> {
    line: &'a mut String,
    extra: String,
    exception: String,
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.line, "{value:?}"),
            "exception" => write!(self.exception, "{value:?}"),
            name => write!(self.extra, " {name}={value:?}"),
        };
        if written.is_err() {
            self.extra.push_str(" (a value could not be formatted)");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Console, Output};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry::Registry;
    use vfs::{Fault, FaultVfs, MemoryVfs, On, Vfs};

    const PATH: &str = "/logs/server.log";

    fn logged_to(vfs: Arc<dyn Vfs>, act: impl FnOnce()) {
        let mut warnings = Vec::new();
        let output = Output::open(Console::None, Some((vfs, PathBuf::from(PATH))), &mut warnings);
        assert!(warnings.is_empty());
        tracing::subscriber::with_default(Registry::default().with(ApacheLayer::new(output)), act);
    }

    /// The lines without their times, which are checked for their form.
    fn lines(vfs: &dyn Vfs) -> Vec<String> {
        let text = String::from_utf8(vfs.read(Path::new(PATH)).unwrap()).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(without_time).collect()
    }

    fn without_time(line: &str) -> String {
        let Some((time, rest)) = line.split_once("] ") else { return line.to_string() };
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(form, "[9999-99-99 99:99:99,999");
        rest.to_string()
    }

    #[test]
    fn lines_look_like_apaches() {
        let vfs = MemoryVfs::new();
        logged_to(Arc::new(vfs.clone()), || {
            tracing::info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] started", 0);
            tracing::warn!(target: "a.B", count = 3, name = "x", "KafkaConfig values: \n\tzone = none\n");
            tracing::error!(target: "kafka.Kafka$", exception = "java.lang.X: y\n\tat z\n", "Exiting Kafka");
        });
        logged_to(Arc::new(vfs.clone()), || tracing::info!(target: "again", "appended"));
        let expected = [
            "INFO [KafkaServer id=0] started (kafka.server.KafkaServer)",
            "WARN KafkaConfig values: ",
            "\tzone = none",
            " count=3 name=x (a.B)",
            "ERROR Exiting Kafka (kafka.Kafka$)",
            "java.lang.X: y",
            "\tat z",
            "INFO appended (again)",
        ];
        assert_eq!(lines(&vfs), expected);
    }

    #[test]
    fn times_are_local_with_a_comma() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let mut head = String::new();
        write_head(&mut head, Timestamp::from_millisecond(1_732_253_467_007).unwrap(), &zone, "INFO").unwrap();
        assert_eq!(head, "[2024-11-22 07:31:07,007] INFO ");
    }

    #[test]
    fn a_full_disk_leaves_no_half_line() {
        let memory = MemoryVfs::new();
        let faults = FaultVfs::new(Arc::new(memory.clone()));
        logged_to(Arc::new(faults.clone()), || {
            tracing::info!(target: "t", "one");
            faults.fail(On::Only(vfs::Call::Write), 0, Fault::ShortWrite { kept: 9 });
            tracing::info!(target: "t", "two");
            tracing::info!(target: "t", "three");
        });
        assert_eq!(lines(&memory), ["INFO one (t)", "INFO three (t)"]);
    }

    #[test]
    fn a_value_that_logs_while_it_is_formatted() {
        struct Chatty;
        impl fmt::Display for Chatty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::info!(target: "inner", "inside");
                f.write_str("value")
            }
        }
        let vfs = MemoryVfs::new();
        logged_to(Arc::new(vfs.clone()), || tracing::info!(target: "outer", "{Chatty}"));
        // `tracing` itself drops an event made while another is being recorded.
        assert!(lines(&vfs).contains(&"INFO value (outer)".to_string()));
    }
}
