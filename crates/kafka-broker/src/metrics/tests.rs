//! The names are those of existing dashboards, and the text is Prometheus'.

use super::text::{Kind, Text};
use super::{ShardTraffic, Traffic};
use kafka_types::TopicName;

#[test]
fn labels_are_escaped() {
    let mut text = Text::default();
    text.metric("a_total", Kind::Counter, "Help.");
    text.sample("a_total", &[("group", &"a\"b\\c\nd"), ("partition", &3)], 1.5);
    text.single("b", Kind::Gauge, "More.", 7);
    assert_eq!(
        text.into_string(),
        "# HELP a_total Help.\n# TYPE a_total counter\na_total{group=\"a\\\"b\\\\c\\nd\",partition=\"3\"} 1.5\n\
         # HELP b More.\n# TYPE b gauge\nb 7\n"
    );
}

#[test]
fn what_was_sent_of_topics_that_are_gone_is_not_forgotten() {
    let mut traffic = ShardTraffic::default();
    let (kept, deleted): (TopicName, TopicName) = ("kept".into(), "deleted".into());
    for topic in [&kept, &deleted, &deleted] {
        traffic.sent(topic, 10);
    }
    assert_eq!(traffic.bytes_out(|topic| *topic == kept), [(kept.clone(), 10)]);
    assert_eq!(traffic.gone, Traffic { bytes_out: 20, ..Traffic::default() });
    traffic.sent(&kept, 1);
    assert_eq!(traffic.bytes_out(|_| true), [(kept, 11)]);
}
