//! Settings that producers and admin clients share, with the same defaults.

use properties::{Check, Kind, Setting, Value};

/// One of the words, in any case.
const fn any_case(rule: fn(&Value) -> Result<(), String>) -> Check {
    Check::Custom(rule)
}

fn one_of_any_case(value: &Value, words: &[&str]) -> Result<(), String> {
    match value {
        Value::String(text) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
        _ => Err(format!("String must be one of (case insensitive): {}", words.join(", "))),
    }
}

fn security_protocol(value: &Value) -> Result<(), String> {
    one_of_any_case(value, &["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"])
}

fn recovery_strategy(value: &Value) -> Result<(), String> {
    one_of_any_case(value, &["REBOOTSTRAP", "NONE"])
}

/// What all clients have.
pub(crate) const COMMON: &[Setting] = &[
    Setting::new("bootstrap.servers", Kind::List, "", "Where to ask for the cluster first: host:port, separated by commas.").high(),
    Setting::new("client.dns.lookup", Kind::String, "use_all_dns_ips", "All addresses of a name are tried, one after the other; the other way of Java, canonical names of the bootstrap servers, makes no difference without Kerberos.")
        .check(Check::OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])),
    Setting::new("client.id", Kind::String, "", "The name that brokers see."),
    Setting::new("metadata.max.age.ms", Kind::Long, "300000", "After how long the description of the cluster is asked for again.").check(Check::at_least(0)).low(),
    Setting::new("send.buffer.bytes", Kind::Int, "131072", "The kernel sizes the buffers of sockets itself, between its own limits; checked only.").check(Check::at_least(-1)),
    Setting::new("reconnect.backoff.ms", Kind::Long, "50", "How long to wait before a broker is tried again; it doubles with every failure.").check(Check::at_least(0)).low(),
    Setting::new("reconnect.backoff.max.ms", Kind::Long, "1000", "The longest that wait becomes.").check(Check::at_least(0)).low(),
    Setting::new("retry.backoff.ms", Kind::Long, "100", "How long to wait before a request is sent again; it doubles with every failure.").check(Check::at_least(0)).low(),
    Setting::new("retry.backoff.max.ms", Kind::Long, "1000", "The longest that wait becomes.").check(Check::at_least(0)).low(),
    Setting::new("enable.metrics.push", Kind::Boolean, "true", "Brokers in ZooKeeper mode ask for no metrics; checked only.").low(),
    Setting::new("request.timeout.ms", Kind::Int, "30000", "How long to wait for an answer.").check(Check::at_least(0)),
    Setting::new("metrics.sample.window.ms", Kind::Long, "30000", "This client keeps no metrics; checked only.").check(Check::at_least(0)).low(),
    Setting::new("metrics.num.samples", Kind::Int, "2", "This client keeps no metrics; checked only.").check(Check::at_least(1)).low(),
    Setting::new("metrics.recording.level", Kind::String, "INFO", "This client keeps no metrics; checked only.").check(Check::OneOf(&["INFO", "DEBUG", "TRACE"])).low(),
    Setting::new("metric.reporters", Kind::List, "", "Java classes, which cannot be loaded: must be empty.").low(),
    Setting::new("auto.include.jmx.reporter", Kind::Boolean, "true", "There is no JMX here; checked only.").low(),
    Setting::new("socket.connection.setup.timeout.ms", Kind::Long, "10000", "How long to wait for a connection to stand, per address."),
    Setting::new("socket.connection.setup.timeout.max.ms", Kind::Long, "30000", "The wait for a connection does not grow here; checked only."),
    Setting::optional("security.providers", Kind::String, "Java classes; of no use without TLS.").low(),
    Setting::new("security.protocol", Kind::String, "PLAINTEXT", "PLAINTEXT; anything else is refused.").check(any_case(security_protocol)),
    Setting::new("metadata.recovery.strategy", Kind::String, "none", "rebootstrap: when no known broker can be reached, start again from the bootstrap servers.").check(any_case(recovery_strategy)).low(),
];
