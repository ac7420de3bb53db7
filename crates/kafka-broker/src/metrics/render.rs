//! The names that the JMX exporter makes of Apache's beans with the rules that dashboards are written for:
//! `kafka_<domain>_<type>_<name>` in lower case, rates as counters `_total`, `..Percent` as `_percent`.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::distribution::QUANTILES;
use super::facts::SESSION_STATES;
use super::requests::{Requests, What};
use super::text::{Kind, Text};
use super::{Facts, SessionEvents, Traffic};
use crate::fetch_sessions::SessionCounts;
use crate::metrics::facts::ReplicaFacts;

/// Name of a metric of topics, what it tells, and its number.
type TopicMetric = (&'static str, &'static str, fn(&Traffic) -> u64);

const TOPIC_METRICS: [TopicMetric; 7] = [
    ("messagesin", "Records appended.", |traffic| traffic.messages_in),
    ("bytesin", "Bytes appended.", |traffic| traffic.bytes_in),
    ("bytesout", "Bytes sent to consumers.", |traffic| traffic.bytes_out),
    ("totalproducerequests", "Appends asked for, per partition.", |traffic| traffic.produces),
    ("totalfetchrequests", "Reads asked for, per partition.", |traffic| traffic.fetches),
    ("failedproducerequests", "Appends refused.", |traffic| traffic.failed_produces),
    ("failedfetchrequests", "Reads refused.", |traffic| traffic.failed_fetches),
];

/// `kafka.server:type=BrokerTopicMetrics`: for all topics without a label, then by topic.
pub(super) fn broker_topics(text: &mut Text, facts: &Facts) {
    let mut topics: BTreeMap<&str, Traffic> = BTreeMap::new();
    for (one, replica) in &facts.replicas {
        topics.entry(&one.topic).or_default().add(&replica.traffic);
    }
    for (topic, bytes) in &facts.bytes_out {
        topics.entry(topic).or_default().bytes_out += bytes;
    }
    let mut all = facts.gone;
    for traffic in topics.values() {
        all.add(traffic);
    }
    for (what, help, number) in TOPIC_METRICS {
        let name = format!("kafka_server_brokertopicmetrics_{what}_total");
        text.metric(&name, Kind::Counter, help);
        text.sample(&name, &[], number(&all));
        for (topic, traffic) in &topics {
            text.sample(&name, &[("topic", topic)], number(traffic));
        }
    }
}

/// `kafka.server:type=ReplicaManager`.
pub(super) fn replicas(text: &mut Text, facts: &Facts) {
    let led = |is: &dyn Fn(&ReplicaFacts) -> bool| facts.led().filter(|(_, replica)| is(replica)).count();
    let offline = facts.replicas.values().filter(|replica| replica.is_offline).count();
    let gauges: [(&str, &str, usize); 7] = [
        ("leadercount", "Partitions that this broker leads.", led(&|_| true)),
        ("partitioncount", "Replicas of this broker.", facts.replicas.len()),
        (
            "underreplicatedpartitions",
            "Led partitions of which a replica is not in sync.",
            led(&|replica| replica.in_sync < replica.replicas),
        ),
        (
            "underminisrpartitioncount",
            "Led partitions with too few replicas in sync for acks=all.",
            led(&|replica| !replica.has_enough_in_sync),
        ),
        (
            "atminisrpartitioncount",
            "Led partitions that have just enough replicas in sync for acks=all.",
            led(&|replica| replica.is_at_min_in_sync),
        ),
        (
            "reassigningpartitions",
            "Led partitions that are on their way to other replicas.",
            led(&|replica| replica.is_reassigning),
        ),
        ("offlinereplicacount", "Replicas in directories that have failed.", offline),
    ];
    for (what, help, number) in gauges {
        text.single(&format!("kafka_server_replicamanager_{what}"), Kind::Gauge, help, number);
    }
    let mut all = facts.gone;
    for replica in facts.replicas.values() {
        all.add(&replica.traffic);
    }
    let name = |what: &str| format!("kafka_server_replicamanager_{what}_total");
    text.single(&name("isrshrinks"), Kind::Counter, "Replicas that fell out of sync.", all.isr_shrinks);
    text.single(&name("isrexpands"), Kind::Counter, "Replicas that came back in sync.", all.isr_expands);
}

/// `kafka.controller`: counts of the cluster, by the broker that controls it; 0 by all others.
pub(super) fn controller(text: &mut Text, facts: &Facts) {
    let (mut offline, mut moved, mut partitions) = (0, 0, 0);
    for (_, partition) in facts.image.topics().flat_map(|topic| &topic.partitions).filter(|_| facts.is_controller) {
        partitions += 1;
        if !facts.image.is_alive(partition.leader) {
            offline += 1;
        } else if partition.replicas.first() != Some(&partition.leader) {
            moved += 1;
        }
    }
    let topics = if facts.is_controller { facts.image.topic_count() } else { 0 };
    let gauges = [
        ("activecontrollercount", "Is this broker the controller?", usize::from(facts.is_controller)),
        ("offlinepartitionscount", "Partitions that nobody leads.", offline),
        ("preferredreplicaimbalancecount", "Partitions that are not led by their first replica.", moved),
        ("globalpartitioncount", "Partitions of the cluster.", partitions),
        ("globaltopiccount", "Topics of the cluster.", topics),
    ];
    for (what, help, number) in gauges {
        text.single(&format!("kafka_controller_kafkacontroller_{what}"), Kind::Gauge, help, number);
    }
    let name = "kafka_controller_controllerstats_uncleanleaderelections_total";
    text.single(name, Kind::Counter, "Leaders that were elected though not in sync.", facts.unclean_elections);
}

/// `kafka.network:type=RequestMetrics`, and how much time there was besides.
pub(super) fn requests(text: &mut Text, requests: &Requests, facts: &Facts) {
    let kinds = requests.kinds();
    let name = "kafka_network_requestmetrics_requests_total";
    text.metric(name, Kind::Counter, "Requests answered, by kind and version.");
    for kind in &kinds {
        for (version, count) in kind.by_version() {
            text.sample(name, &[("request", &kind.name), ("version", &version)], count);
        }
    }
    let name = "kafka_network_requestmetrics_errors_total";
    text.metric(name, Kind::Counter, "Error codes in answers, by kind of request; NONE is one of them.");
    for kind in &kinds {
        for (error, count) in kind.errors() {
            text.sample(name, &[("request", &kind.name), ("error", &error)], count);
        }
    }
    for what in What::ALL {
        let (name, help, divisor) = what.told();
        let name = format!("kafka_network_requestmetrics_{name}");
        text.metric(&name, Kind::Summary, &format!("{help}; quantiles are of the last minutes."));
        for kind in kinds.iter().filter(|kind| what.is_of(&kind.name)) {
            for ((quantile, _), value) in QUANTILES.iter().zip(requests.quantiles(kind, what, facts.now)) {
                text.sample(&name, &[("request", &kind.name), ("quantile", quantile)], value / divisor);
            }
            text.sample(&format!("{name}_sum"), &[("request", &kind.name)], kind.sum(what) as f64 / divisor);
            text.sample(&format!("{name}_count"), &[("request", &kind.name)], kind.count());
        }
    }
    let idle = facts.idle.iter().sum::<f64>() / facts.idle.len().max(1) as f64;
    // One thread does both here: it reads requests, and answers them.
    for (name, help) in [
        ("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", "Idle part of the threads that answer."),
        ("kafka_network_socketserver_networkprocessoravgidle_percent", "Idle part of the threads that read requests."),
    ] {
        text.single(name, Kind::Gauge, help, idle);
    }
}

/// `kafka.server:type=SessionExpireListener`. The state is a word there; here it is the label of the one that is 1.
pub(super) fn session(text: &mut Text, session: &SessionEvents, facts: &Facts) {
    for (what, help, counter) in [
        ("zookeepersyncconnects", "Connections to ZooKeeper.", &session.connected),
        ("zookeeperreadonlyconnects", "Connections to ZooKeeper servers that only read.", &session.connected_read_only),
        ("zookeeperdisconnects", "Connections to ZooKeeper that were lost.", &session.disconnected),
        ("zookeeperexpires", "Sessions in ZooKeeper that expired.", &session.expired),
        (
            "zookeeperauthfailures",
            "Times that ZooKeeper did not accept who this broker says it is.",
            &session.auth_failed,
        ),
        (
            "zookeepersaslauthentications",
            "Times that ZooKeeper accepted who this broker says it is.",
            &session.authenticated,
        ),
    ] {
        let name = format!("kafka_server_sessionexpirelistener_{what}_total");
        text.single(&name, Kind::Counter, help, counter.get());
    }
    let name = "kafka_server_sessionexpirelistener_sessionstate";
    text.metric(name, Kind::Gauge, "How this broker stands with ZooKeeper.");
    for state in SESSION_STATES {
        text.sample(name, &[("state", &state)], u8::from(state == facts.session));
    }
}

/// `kafka.server:type=FetchSessionCache`.
pub(super) fn fetch_sessions(text: &mut Text, facts: &Facts) {
    let SessionCounts { sessions, partitions, evictions } = facts.fetch_sessions;
    let name = |what: &str| format!("kafka_server_fetchsessioncache_{what}");
    text.single(&name("numincrementalfetchsessions"), Kind::Gauge, "Fetch sessions.", sessions);
    let help = "Partitions that fetch sessions remember.";
    text.single(&name("numincrementalfetchpartitionscached"), Kind::Gauge, help, partitions);
    let help = "Fetch sessions that had to go for others.";
    text.single(&name("incrementalfetchsessionevictions_total"), Kind::Counter, help, evictions);
}

/// Name, what it tells, and its number.
type LogMetric = (&'static str, &'static str, fn(&ReplicaFacts) -> i64);

/// `kafka.log:type=Log`.
pub(super) fn logs(text: &mut Text, facts: &Facts) {
    let metrics: [LogMetric; 4] = [
        ("size", "Bytes of a partition's log.", |replica| replica.size.cast_signed()),
        ("logendoffset", "Offset of the next record.", |replica| replica.log_end.0),
        ("logstartoffset", "Offset of the first record.", |replica| replica.log_start.0),
        ("numlogsegments", "Segments of a partition's log.", |replica| replica.segments as i64),
    ];
    for (what, help, number) in metrics {
        let name = format!("kafka_log_log_{what}");
        text.metric(&name, Kind::Gauge, help);
        for (one, replica) in &facts.replicas {
            let labels: [(&str, &dyn Display); 2] = [("topic", &one.topic), ("partition", &one.partition)];
            text.sample(&name, &labels, number(replica));
        }
    }
}
