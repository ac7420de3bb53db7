//! What dashboards ask for is there, under the names that they know, with numbers that are true; health is told; and
//! none of it keeps a broker from starting.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tests::{Asked, Broker, Fetch, KafkaBody, KafkaWire, Kind, RawZk, TempDir, Tools, ZooKeeper, batch, wait_until};

/// Name and the labels it has to carry: what the dashboards of the JMX exporter and of kafka_exporter query.
const QUERIED: &[(&str, &[&str])] = &[
    ("kafka_server_brokertopicmetrics_messagesin_total", &[]),
    ("kafka_server_brokertopicmetrics_messagesin_total", &["topic"]),
    ("kafka_server_brokertopicmetrics_bytesin_total", &["topic"]),
    ("kafka_server_brokertopicmetrics_bytesout_total", &["topic"]),
    ("kafka_server_brokertopicmetrics_totalproducerequests_total", &["topic"]),
    ("kafka_server_brokertopicmetrics_totalfetchrequests_total", &["topic"]),
    ("kafka_server_brokertopicmetrics_failedproducerequests_total", &["topic"]),
    ("kafka_server_brokertopicmetrics_failedfetchrequests_total", &["topic"]),
    ("kafka_server_replicamanager_leadercount", &[]),
    ("kafka_server_replicamanager_partitioncount", &[]),
    ("kafka_server_replicamanager_underreplicatedpartitions", &[]),
    ("kafka_server_replicamanager_underminisrpartitioncount", &[]),
    ("kafka_server_replicamanager_offlinereplicacount", &[]),
    ("kafka_server_replicamanager_atminisrpartitioncount", &[]),
    ("kafka_server_replicamanager_reassigningpartitions", &[]),
    ("kafka_server_fetchsessioncache_numincrementalfetchsessions", &[]),
    ("kafka_server_fetchsessioncache_numincrementalfetchpartitionscached", &[]),
    ("kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total", &[]),
    ("kafka_server_replicamanager_isrshrinks_total", &[]),
    ("kafka_server_replicamanager_isrexpands_total", &[]),
    ("kafka_controller_kafkacontroller_activecontrollercount", &[]),
    ("kafka_controller_kafkacontroller_offlinepartitionscount", &[]),
    ("kafka_controller_kafkacontroller_preferredreplicaimbalancecount", &[]),
    ("kafka_controller_controllerstats_uncleanleaderelections_total", &[]),
    ("kafka_network_requestmetrics_requests_total", &["request", "version"]),
    ("kafka_network_requestmetrics_errors_total", &["request", "error"]),
    ("kafka_network_requestmetrics_totaltimems", &["request", "quantile"]),
    ("kafka_network_requestmetrics_totaltimems_count", &["request"]),
    ("kafka_network_requestmetrics_localtimems", &["request", "quantile"]),
    ("kafka_network_requestmetrics_remotetimems", &["request", "quantile"]),
    ("kafka_network_requestmetrics_throttletimems", &["request", "quantile"]),
    ("kafka_network_requestmetrics_responsesendtimems", &["request", "quantile"]),
    ("kafka_network_requestmetrics_requestbytes", &["request", "quantile"]),
    ("kafka_network_requestmetrics_messageconversionstimems", &["request", "quantile"]),
    ("kafka_network_requestmetrics_temporarymemorybytes", &["request", "quantile"]),
    ("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", &[]),
    ("kafka_network_socketserver_networkprocessoravgidle_percent", &[]),
    ("kafka_log_log_size", &["topic", "partition"]),
    ("kafka_log_log_logendoffset", &["topic", "partition"]),
    ("kafka_log_log_logstartoffset", &["topic", "partition"]),
    ("kafka_server_sessionexpirelistener_zookeepersyncconnects_total", &[]),
    ("kafka_server_sessionexpirelistener_zookeeperreadonlyconnects_total", &[]),
    ("kafka_server_sessionexpirelistener_zookeeperdisconnects_total", &[]),
    ("kafka_server_sessionexpirelistener_zookeeperexpires_total", &[]),
    ("kafka_server_sessionexpirelistener_zookeeperauthfailures_total", &[]),
    ("kafka_server_sessionexpirelistener_zookeepersaslauthentications_total", &[]),
    ("kafka_server_sessionexpirelistener_sessionstate", &["state"]),
    ("kafka_brokers", &[]),
    ("kafka_broker_info", &["id", "address"]),
    ("kafka_topic_partitions", &["topic"]),
    ("kafka_topic_partition_current_offset", &["topic", "partition"]),
    ("kafka_topic_partition_oldest_offset", &["topic", "partition"]),
    ("kafka_topic_partition_in_sync_replica", &["topic", "partition"]),
    ("kafka_topic_partition_leader", &["topic", "partition"]),
    ("kafka_topic_partition_leader_is_preferred", &["topic", "partition"]),
    ("kafka_topic_partition_replicas", &["topic", "partition"]),
    ("kafka_topic_partition_under_replicated_partition", &["topic", "partition"]),
    ("kafka_consumergroup_current_offset", &["consumergroup", "topic", "partition"]),
    ("kafka_consumergroup_current_offset_sum", &["consumergroup", "topic"]),
    ("kafka_consumergroup_lag", &["consumergroup", "topic", "partition"]),
    ("kafka_consumergroup_lag_sum", &["consumergroup", "topic"]),
    ("kafka_consumergroup_members", &["consumergroup"]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
];

/// Status and body.
fn get(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// Samples by name and labels.
#[derive(Debug)]
struct Samples(Vec<(String, BTreeMap<String, String>, f64)>);

impl Samples {
    /// Reads the text format; every metric is announced with its type before its samples, and comes once.
    fn read(text: &str) -> Samples {
        let (mut samples, mut types) = (Vec::new(), BTreeMap::new());
        let mut current = String::new();
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("# TYPE ") {
                let (name, kind) = words.split_once(' ').expect("a name and a type");
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
                name.clone_into(&mut current);
            }
            if line.starts_with('#') {
                continue;
            }
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(name.starts_with(&current), "{name} under {current}");
            let labels = labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
            let pair = |pair: &str| {
                let (key, value) = pair.split_once('=').expect("a pair");
                (key.to_owned(), value.trim_matches('"').to_owned())
            };
            samples.push((name.to_owned(), labels.map(pair).collect(), value.parse().expect("a number")));
        }
        Samples(samples)
    }

    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |found: &BTreeMap<String, String>| {
            labels.iter().all(|(key, value)| found.get(*key).is_some_and(|there| there == value))
        };
        self.0.iter().find(|(there, found, _)| there == name && fits(found)).map(|(.., value)| *value)
    }
}

/// The port that the broker took, from its log.
fn metrics_port(broker: &Broker) -> u16 {
    let log = fs::read_to_string(broker.log()).expect("it logs");
    let address = log.split("are served on http://127.0.0.1:").nth(1).expect("the line about metrics");
    address.split('/').next().and_then(|port| port.parse().ok()).expect("a port")
}

#[test]
fn dashboards_find_their_series() {
    let dir = TempDir::new("metrics");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "metrics.http.port=0");
    let port = metrics_port(&broker);
    let is_ok = |path: &str| get(port, path) == (200, "ok\n".to_owned());
    assert!(is_ok("/healthz"));
    // The controller's first news may come after it has started.
    assert!(wait_until(Duration::from_mins(1), || is_ok("/readyz")), "{:?}", get(port, "/readyz"));
    let server = broker.address();
    let tool = |tool: &str, args: &str, input: &str| {
        let output = Tools(Kind::Ours).run_with_input(tool, &format!("{args} --bootstrap-server {server}"), input);
        assert_eq!(output.code, 0, "{tool} {args}: {}{}", output.stdout, output.stderr);
        output.stdout
    };
    tool("kafka-topics", "--create --topic orders --partitions 2", "");
    let lines: Vec<String> = (0..30).map(|number| format!("k{number}:v{number}\n")).collect();
    let keyed = "--topic orders --property parse.key=true --property key.separator=:";
    tool("kafka-console-producer", keyed, &lines.concat());
    let read = tool("kafka-console-consumer", "--topic orders --group readers --from-beginning --max-messages 30", "");
    assert_eq!(read.lines().count(), 30);
    tool("kafka-console-producer", keyed, "k1:more\nk1:still more\n");
    tool("kafka-topics", "--create --topic packed --partitions 1 --config compression.type=gzip", "");
    tool("kafka-console-producer", "--topic packed", "to be packed by the broker\n");
    let (status, text) = get(port, "/metrics");
    assert_eq!(status, 200);
    let samples = Samples::read(&text);
    for (name, labels) in QUERIED {
        let carries = |found: &BTreeMap<String, String>| {
            found.len() == labels.len() && labels.iter().all(|label| found.contains_key(*label))
        };
        let there = samples.0.iter().any(|(found, carried, _)| found == name && carries(carried));
        assert!(there, "{name} with {labels:?} is not there:\n{text}");
    }
    let value = |name: &str, labels: &[(&str, &str)]| {
        samples.find(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} is not there"))
    };
    let orders = ("topic", "orders");
    assert!((value("kafka_server_brokertopicmetrics_messagesin_total", &[orders]) - 32.0).abs() < 0.1);
    assert!(value("kafka_server_brokertopicmetrics_bytesin_total", &[orders]) > 200.0);
    assert!(value("kafka_server_brokertopicmetrics_bytesout_total", &[orders]) > 200.0);
    assert!((value("kafka_topic_partitions", &[orders]) - 2.0).abs() < 0.1);
    let group = ("consumergroup", "readers");
    assert!((value("kafka_consumergroup_current_offset_sum", &[group, orders]) - 30.0).abs() < 0.1);
    assert!((value("kafka_consumergroup_lag_sum", &[group, orders]) - 2.0).abs() < 0.1);
    assert!(value("kafka_consumergroup_members", &[group]).abs() < 0.1);
    assert!((value("kafka_controller_kafkacontroller_activecontrollercount", &[]) - 1.0).abs() < 0.1);
    assert!(value("kafka_network_requestmetrics_totaltimems_count", &[("request", "Produce")]) >= 2.0);
    assert!(
        value("kafka_network_requestmetrics_totaltimems", &[("request", "FetchConsumer"), ("quantile", "0.99")]) > 0.0
    );
    stages_of_requests_add_up(&samples);
    let state = |state: &str| value("kafka_server_sessionexpirelistener_sessionstate", &[("state", state)]) as i64;
    assert_eq!(["CONNECTED", "CONNECTING", "AUTH_FAILED", "CLOSED"].map(state), [1, 0, 0, 0]);
    let idle = value("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", &[]);
    assert!((0.0..=1.0).contains(&idle), "{idle}");
    counters_do_not_go_back(port, &server);
}

/// Each kind of request took as long as its stages together, and what converted records has said so.
fn stages_of_requests_add_up(samples: &Samples) {
    let sum = |what: &str, request: &str| {
        let name = format!("kafka_network_requestmetrics_{what}_sum");
        samples.find(&name, &[("request", request)]).unwrap_or_else(|| panic!("{name} of {request} is not there"))
    };
    for request in ["Produce", "Fetch", "FetchConsumer", "Metadata", "JoinGroup"] {
        let stages: f64 =
            ["localtimems", "remotetimems", "responsesendtimems"].iter().map(|stage| sum(stage, request)).sum();
        let name = "kafka_network_requestmetrics_totaltimems_count";
        let count = samples.find(name, &[("request", request)]).unwrap_or_default();
        assert!(count > 0.0, "{request}");
        // Each is cut to a microsecond.
        let total = sum("totaltimems", request);
        assert!((total - stages).abs() <= count * 0.003 + 1e-6, "{request}: {total} ms, and {stages} ms in stages");
        assert!(sum("requestbytes", request) > count, "{request}");
        assert!(sum("throttletimems", request).abs() < 1e-9, "nobody is limited");
    }
    // It waits for ZooKeeper, and for the controller; nothing that is appended waits for anybody without other replicas.
    assert!(sum("remotetimems", "CreateTopics") > 0.0);
    assert!(sum("remotetimems", "Produce").abs() < 1e-9 && sum("localtimems", "Produce") > 0.0);
    assert!(sum("messageconversionstimems", "Produce") > 0.0 && sum("temporarymemorybytes", "Produce") > 0.0);
    assert!(sum("messageconversionstimems", "Fetch").abs() < 1e-9);
}

/// A topic that is deleted takes its series along, and nothing of the sums.
fn counters_do_not_go_back(port: u16, server: &str) {
    const ALL: [&str; 3] = ["messagesin", "bytesin", "bytesout"];
    let sums = || {
        let samples = Samples::read(&get(port, "/metrics").1);
        let name = |what: &str| format!("kafka_server_brokertopicmetrics_{what}_total");
        let sum = |what: &str| samples.0.iter().find(|(found, labels, _)| *found == name(what) && labels.is_empty());
        let deleted = samples.find(&name("messagesin"), &[("topic", "orders")]).is_none();
        (ALL.map(|what| sum(what).map(|(.., value)| *value).unwrap_or_default()), deleted)
    };
    let (before, _) = sums();
    let args = format!("--delete --topic orders --bootstrap-server {server}");
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    assert!(wait_until(Duration::from_mins(1), || sums().1), "the topic's series stay");
    let (after, _) = sums();
    assert!(after.iter().zip(before).all(|(after, before)| *after >= before), "{after:?} after {before:?}");
}

#[test]
fn partitions_on_their_way_and_fetch_sessions_are_counted() {
    let dir = TempDir::new("metrics-moves");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let settings = "metrics.http.port=0\nmax.incremental.fetch.session.cache.slots=8";
    let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), settings);
    let port = metrics_port(&broker);
    let value = |name: &str| Samples::read(&get(port, "/metrics").1).find(name, &[]).expect("it is told") as i64;
    let args = format!("--create --topic t --partitions 3 --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    let replicas = || {
        ["reassigningpartitions", "underreplicatedpartitions", "atminisrpartitioncount"]
            .map(|what| value(&format!("kafka_server_replicamanager_{what}")))
    };
    assert_eq!(replicas(), [0, 0, 3], "min.insync.replicas is 1, and that are there");
    // Broker 5 does not live: what is to come to it is on its way until it is called off.
    let wish = r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[0,5]}]}"#;
    let mut session = RawZk::connect(zookeeper.port()).expect("it serves");
    assert!(session.create("/admin/reassign_partitions", wish.as_bytes()).expect("it can be written"));
    assert!(wait_until(Duration::from_mins(1), || replicas() == [1, 0, 3]), "{:?}", replicas());
    let mut nowhere = KafkaBody::new(true);
    nowhere.i32(30_000).array(1).text("t").array(1).i32(0).varint(0).no_tags().no_tags().no_tags();
    let mut asked = Asked::new(broker.port());
    asked.ask("call it off", 45, 0, &nowhere);
    assert!(wait_until(Duration::from_mins(1), || replicas() == [0, 0, 3]), "{:?}", replicas());

    let sessions = || {
        ["numincrementalfetchsessions", "numincrementalfetchpartitionscached", "incrementalfetchsessionevictions_total"]
            .map(|what| value(&format!("kafka_server_fetchsessioncache_{what}")))
    };
    assert_eq!(sessions(), [0, 0, 0]);
    // Eight slots are one in each of eight parts; who comes late has to do without while the others are young.
    let begun: Vec<i32> =
        (0..9).map(|_| asked.fetch("begin", &Fetch::new(12, &[("t", 0, 0), ("t", 1, 0)]).session(0, 0))).collect();
    assert!(begun[..8].iter().all(|id| *id > 0) && begun[8] == 0, "{begun:?}");
    assert_eq!(sessions(), [8, 16, 0]);
    // A follower goes before clients.
    assert_ne!(asked.fetch("follow", &Fetch { replica: 0, ..Fetch::new(12, &[("t", 0, 0)]).session(0, 0) }), 0);
    assert_eq!(sessions(), [8, 15, 1]);
    asked.fetch("end", &Fetch::new(12, &[]).session(begun[4], -1));
    assert_eq!(sessions(), [7, 13, 1]);
}

#[test]
fn a_port_that_is_taken_keeps_nobody_from_starting() {
    let dir = TempDir::new("metrics-port");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let settings = format!("metrics.http.port={port}");
    let mut broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), &settings);
    let log = fs::read_to_string(broker.log()).expect("it logs");
    assert!(log.contains(&format!("Metrics and health are not served: 127.0.0.1:{port}: ")), "{log}");
    assert!(!log.contains("The setting metrics.http"), "{log}");
    broker.stop();
    let broker = Broker::start_with(Kind::Ours, &dir.join("kafka2"), &zookeeper.address(), "metrics.http.port=-1");
    let log = fs::read_to_string(broker.log()).expect("it logs");
    assert!(!log.contains("Metrics and health"), "{log}");
}

#[test]
fn a_broker_without_zookeeper_lives() {
    let dir = TempDir::new("health");
    let mut zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "metrics.http.port=0");
    let port = metrics_port(&broker);
    zookeeper.kill();
    assert_eq!(get(port, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(port, "/metrics").0, 200);
    assert_eq!(get(port, "/nope").0, 404);
}

#[test]
fn error_codes_of_answers_are_counted_by_request() {
    let dir = TempDir::new("metrics-errors");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "metrics.http.port=0");
    let args = format!("--create --topic t --partitions 2 --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    let mut wire = KafkaWire::connect(broker.port()).expect("it accepts");
    let port = metrics_port(&broker);
    let counts = |request: &str| {
        let samples = Samples::read(&get(port, "/metrics").1);
        let name = "kafka_network_requestmetrics_errors_total";
        let of = |(found, labels, count): &(String, BTreeMap<String, String>, f64)| {
            (found == name && labels["request"] == request).then(|| (labels["error"].clone(), *count as u64))
        };
        samples.0.iter().filter_map(of).collect::<BTreeMap<_, _>>()
    };
    let expect = |request: &str, expected: &[(&str, u64)]| {
        let expected: BTreeMap<_, _> = expected.iter().map(|(error, count)| ((*error).to_owned(), *count)).collect();
        // An answer is counted when it is sent.
        let told = wait_until(Duration::from_secs(20), || counts(request) == expected);
        assert!(told, "{request}: {:?} and not {expected:?}", counts(request));
    };
    let mut produce = |acks: i16, partitions: &[i32]| {
        let mut body = KafkaBody::new(false);
        body.no_text().i16(acks).i32(10_000).array(1).text("t").array(partitions.len());
        for partition in partitions {
            body.i32(*partition).data(&batch(&[b"v"], 1_700_000_000_000, (-1, -1, -1)));
        }
        wire.send(0, 8, &body).expect("it reads");
        if acks == 0 { Err(std::io::ErrorKind::Other.into()) } else { wire.receive(false) }
    };
    assert!(produce(1, &[0, 1, 7]).is_ok());
    expect("Produce", &[("NONE", 2), ("UNKNOWN_TOPIC_OR_PARTITION", 1)]);
    // Nobody is told that all went well, or not; what did not is counted.
    let _: std::io::Result<Vec<u8>> = produce(0, &[0]);
    assert!(produce(1, &[0]).is_ok());
    expect("Produce", &[("NONE", 3), ("UNKNOWN_TOPIC_OR_PARTITION", 1)]);
    let _: std::io::Result<Vec<u8>> = produce(0, &[1, 7]);
    expect("Produce", &[("NONE", 4), ("UNKNOWN_TOPIC_OR_PARTITION", 2)]);

    let mut asked = Asked::new(broker.port());
    let mut delete = KafkaBody::new(false);
    delete.array(2).text("nope").text("neither").i32(5_000);
    asked.ask("delete", 20, 1, &delete);
    expect("DeleteTopics", &[("UNKNOWN_TOPIC_OR_PARTITION", 2)]);
    // A version that nobody knows is answered, too.
    let before = counts("ApiVersions").get("UNSUPPORTED_VERSION").copied();
    assert_eq!(before, None);
    asked.ask("versions", 18, 77, &KafkaBody::new(true));
    assert!(wait_until(Duration::from_secs(20), || counts("ApiVersions").get("UNSUPPORTED_VERSION") == Some(&1)));
}
