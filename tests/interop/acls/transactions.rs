//! What a guest may not do with transactions.

use tests::KafkaBody;

use super::History;
use super::requests::{
    ALTER, CLUSTER_ACTION, DESCRIBE, GROUP, READ, Rule, TRANSACTIONAL_ID, WRITE, cluster, guest, topic,
};

fn add_partitions(topics: &[&str]) -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("tx").i64(77).i16(0).array(topics.len());
    for topic in topics {
        body.text(topic).array(1).i32(0);
    }
    body
}

/// Of brokers.
fn add_partitions_4() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(1).text("tx").i64(77).i16(0).i8(1).array(1).text("t").array(1).i32(0).no_tags().no_tags().no_tags();
    body
}

fn add_offsets() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("tx").i64(77).i16(0).text("g");
    body
}

fn end() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("tx").i64(77).i16(0).i8(1);
    body
}

fn commit_offsets() -> KafkaBody {
    let mut body = KafkaBody::new(false);
    body.text("tx").text("g").i64(77).i16(0).array(2);
    for topic in ["t", "u"] {
        body.text(topic).array(1).i32(0).i64(1).text("");
    }
    body
}

fn markers() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(1).i64(77).i16(0).i8(0).array(1).text("nope").array(2).i32(0).i32(1).no_tags().i32(0).no_tags();
    body.no_tags();
    body
}

fn describe() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(2).text("tx").text("other").no_tags();
    body
}

fn list() -> KafkaBody {
    let mut body = KafkaBody::new(true);
    body.array(0).array(0).no_tags();
    body
}

pub(crate) fn history(history: &mut History) {
    let tx = |operation| guest(TRANSACTIONAL_ID, "tx", operation);
    let g = |operation| guest(GROUP, "g", operation);
    history.make_transactional("tx");
    let coordinator: &[&[Rule]] = &[&[tx(DESCRIBE)], &[tx(WRITE)]];
    let mut find = KafkaBody::new(false);
    find.text("tx").i8(1);
    history.ladder("coordinator of a transaction", (10, 1), &find, coordinator);
    let both: &[&[Rule]] = &[&[tx(WRITE)], &[topic(WRITE)], &[tx(WRITE), topic(WRITE)], &[tx(DESCRIBE), topic(WRITE)]];
    history.ladder("partitions", (24, 0), &add_partitions(&["t", "u"]), both);
    history.ladder("a partition", (24, 0), &add_partitions(&["t"]), both);
    history.ladder("a partition of brokers", (24, 4), &add_partitions_4(), &[&[cluster(CLUSTER_ACTION)]]);
    let internal = guest(2, "__consumer_offsets", WRITE);
    history.ladder("internal ones", (24, 0), &add_partitions(&["__consumer_offsets"]), &[&[tx(WRITE), internal]]);
    let with_group: &[&[Rule]] = &[&[tx(WRITE)], &[g(READ)], &[tx(WRITE), g(READ)], &[tx(WRITE), g(DESCRIBE)]];
    history.ladder("offsets", (25, 0), &add_offsets(), with_group);
    history.ladder("end", (26, 0), &end(), coordinator);
    let commit: &[&[Rule]] = &[&[tx(WRITE)], &[tx(WRITE), g(READ)], &[g(READ), topic(READ)]];
    history.ladder("commit of offsets", (28, 0), &commit_offsets(), commit);
    history.ladder(
        "markers",
        (27, 1),
        &markers(),
        &[&[cluster(ALTER)], &[cluster(CLUSTER_ACTION)], &[cluster(DESCRIBE)]],
    );
    history.ladder("transactions", (65, 0), &describe(), &[&[tx(WRITE)], &[topic(DESCRIBE)]]);
    history.ladder("list of transactions", (66, 0), &list(), &[&[tx(READ)], &[cluster(DESCRIBE)]]);
}
