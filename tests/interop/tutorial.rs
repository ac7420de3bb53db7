//! Tasks 2 to 6 of the tutorial, typed as they stand there, on every pairing of servers and tools.

use std::time::Duration;

use tests::{JvmPermit, Kind, Lab, Terminal, full, wait_until};

use Kind::{Apache, Ours};

#[test]
fn ours_alone() {
    tutorial("ours", Ours, Ours, &[Ours]);
}

#[test]
fn apache_tools_on_our_servers() {
    tutorial("apache-tools", Ours, Ours, &[Apache]);
}

#[test]
fn our_tools_on_apache_servers() {
    tutorial("our-tools", Apache, Apache, &[Ours]);
}

#[test]
fn apache_broker_on_our_coordination_server() {
    tutorial("apache-broker", Ours, Apache, both_in_full());
}

#[test]
fn our_broker_on_apache_zookeeper() {
    tutorial("our-broker", Apache, Ours, both_in_full());
}

fn both_in_full() -> &'static [Kind] {
    if full() { &[Ours, Apache] } else { &[Ours] }
}

fn tutorial(name: &str, zookeeper: Kind, broker: Kind, tools: &[Kind]) {
    let with_jvm = [zookeeper, broker].contains(&Apache) || tools.contains(&Apache);
    let _permit = with_jvm.then(JvmPermit::take);
    let lab = Lab::new(name);
    // Task 2: each server in a terminal of its own.
    let mut first = lab.terminal(zookeeper, "./zookeeper-server-start.sh ../config/zookeeper.properties");
    first.expect("binding to port");
    let mut second = lab.terminal(broker, "./kafka-server-start.sh ../config/server.properties");
    second.expect("started (kafka.server.KafkaServer)");
    for tools in tools {
        let student = Student { lab: &lab, tools: *tools };
        student.makes_a_topic();
        let lines = student.produces();
        student.consumes(&lines);
        student.uses_keys();
        student.looks_at_znodes();
        student.deletes_topics();
    }
    ctrl_c_ends(second, "shut down completed (kafka.server.KafkaServer)");
    ctrl_c_ends(first, "binding to port");
}

fn ctrl_c_ends(mut server: Terminal, said: &str) {
    assert!(!server.has_ended(), "{}", server.screen());
    server.ctrl_c();
    let (screen, code) = server.end();
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains(said), "{screen}");
}

/// Somebody with a third terminal, in `bin/`.
struct Student<'a> {
    lab: &'a Lab,
    tools: Kind,
}

impl Student<'_> {
    /// Runs a line that must end with `code`; returns what stands on standard output and on standard error.
    fn runs(&self, line: &str, code: i32) -> (String, String) {
        self.pipes(line, "", code)
    }

    fn pipes(&self, line: &str, input: &str, code: i32) -> (String, String) {
        let output = self.lab.run_with_input(self.tools, line, input);
        assert_eq!(output.code, code, "{line}\n{}{}", output.stdout, output.stderr);
        (output.stdout, output.stderr)
    }

    fn at_terminal(&self, line: &str) -> Terminal {
        self.lab.terminal(self.tools, line)
    }

    /// Task 3.
    fn makes_a_topic(&self) {
        let create = "./kafka-topics.sh --create --topic test-topic --bootstrap-server localhost:9092 \
                      --replication-factor 1 --partitions 4";
        assert_eq!(self.runs(create, 0).0, "Created topic test-topic.\n");
        let again = self.runs(create, 1).0;
        let exists = "Error while executing topic command : Topic 'test-topic' already exists.";
        assert_eq!(again.lines().next(), Some(exists));
        assert_eq!(
            self.runs("./kafka-topics.sh --list --exclude-internal --bootstrap-server localhost:9092", 0).0,
            "test-topic\n"
        );
        self.describes(4);
        let alter = "./kafka-topics.sh --alter --topic test-topic --partitions 6 --bootstrap-server localhost:9092";
        assert_eq!(self.runs(alter, 0).0, "");
        self.describes(6);
    }

    fn describes(&self, partitions: usize) {
        let text = self.runs("./kafka-topics.sh --describe --topic test-topic --bootstrap-server localhost:9092", 0).0;
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        let columns: Vec<&str> = head.split('\t').collect();
        assert_eq!(columns.len(), 5, "{head}");
        assert_eq!((columns[0], columns[3], columns[4]), ("Topic: test-topic", "ReplicationFactor: 1", "Configs: "));
        assert_eq!(columns[1].len(), "TopicId: ".len() + 22, "{head}");
        assert_eq!(columns[2], format!("PartitionCount: {partitions}"));
        let rows: Vec<&str> = lines.collect();
        let row = |p| {
            format!("\tTopic: test-topic\tPartition: {p}\tLeader: 0\tReplicas: 0\tIsr: 0\tElr: N/A\tLastKnownElr: N/A")
        };
        assert_eq!(rows, (0..partitions).map(row).collect::<Vec<_>>());
    }

    /// Task 4: types three lines at a terminal and pipes two; returns what must be there.
    fn produces(&self) -> Vec<&'static str> {
        let line = "./kafka-console-producer.sh --broker-list localhost:9092 --topic test-topic";
        let mut terminal = self.at_terminal(line);
        for text in ["Hello World", "second line", ""] {
            terminal.expect(">").send_line(text);
        }
        terminal.expect(">").ctrl_d();
        let (screen, code) = terminal.end();
        assert_eq!((screen.as_str(), code), (">Hello World\n>second line\n>\n>", 0));
        assert_eq!(self.pipes(line, "one\ntwo without an end", 0).0, "");
        vec!["Hello World", "second line", "", "one", "two without an end"]
    }

    /// Task 5.
    fn consumes(&self, lines: &[&str]) {
        let line = "./kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test-topic --from-beginning";
        let mut terminal = self.at_terminal(line);
        // Which partition comes first is free.
        let sorted = |lines: &mut Vec<&str>| lines.sort_unstable();
        let mut wanted = lines.to_vec();
        sorted(&mut wanted);
        terminal.expect_screen("each line, once", |screen| {
            let mut seen: Vec<&str> = screen.lines().filter(|line| !line.starts_with('[')).collect();
            sorted(&mut seen);
            seen == wanted && screen.ends_with('\n')
        });
        terminal.ctrl_c();
        let (screen, code) = terminal.end();
        assert_eq!(code, 130, "{screen}");
        assert!(screen.ends_with(&format!("^CProcessed a total of {} messages\n", lines.len())), "{screen}");

        let group = format!(
            "./kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test-topic --from-beginning \
             --group lesson-{:?}",
            self.tools
        );
        let (read, said) = self.runs(&format!("{group} --max-messages 5 --timeout-ms 20000"), 0);
        assert_eq!(read.lines().count(), 5, "{read}");
        assert!(said.contains("Processed a total of 5 messages"), "{said}");
        // The group has committed: its next member finds what came later, and nothing else.
        self.pipes("./kafka-console-producer.sh --broker-list localhost:9092 --topic test-topic", "later\n", 0);
        let (read, said) = self.runs(&format!("{group} --max-messages 1 --timeout-ms 20000"), 0);
        assert_eq!(read, "later\n", "{said}");
    }

    /// Tasks 4 and 5 with keys.
    fn uses_keys(&self) {
        let create = "./kafka-topics.sh --create --topic keyed --partitions 1 --bootstrap-server localhost:9092";
        self.runs(create, 0);
        let produce = "./kafka-console-producer.sh --bootstrap-server localhost:9092 --topic keyed --property \
                       parse.key=true --property key.separator=:";
        self.pipes(produce, "a:1\nb:2\na:3\n", 0);
        let consume = "./kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic keyed --partition 0 \
                       --offset 1 --max-messages 2 --timeout-ms 20000 --property print.key=true --property \
                       print.partition=true --property print.offset=true";
        assert_eq!(self.runs(consume, 0).0, "Partition:0\tOffset:1\tb\t2\nPartition:0\tOffset:2\ta\t3\n");
    }

    /// Task 6.
    fn looks_at_znodes(&self) {
        let ids = self.runs("./zookeeper-shell.sh localhost:2181 ls /brokers/ids", 0).0;
        // In Apache's shell the news of the connection comes from a thread of its own, before the answer or after it.
        assert!(ids.lines().any(|line| line == "[0]"), "{ids}");
        let missing = self.runs("./zookeeper-shell.sh localhost:2181 get /lesson", 1).1;
        assert!(missing.contains("Node does not exist: /lesson"), "{missing}");
        let mut shell = self.at_terminal("./zookeeper-shell.sh localhost:2181");
        shell.expect("SyncConnected");
        for (line, answer) in [
            ("get /brokers/topics/keyed", "\"partitions\":{\"0\":[0]}"),
            ("get /controller", "\"brokerid\":0"),
            ("create /lesson first", "Created /lesson"),
            ("set -s /lesson second", "dataLength = 6"),
            ("get /lesson", "second"),
            ("stat /lesson", "dataVersion = 1"),
        ] {
            shell.send_line(line).expect(line).expect(answer);
        }
        shell.send_line("delete /lesson").send_line("ls /brokers").expect("[ids, seqid, topics]").send_line("quit");
        let (screen, code) = shell.end();
        assert_eq!(code, 0, "{screen}");
    }

    /// Task 3, its end.
    fn deletes_topics(&self) {
        let delete =
            |topic: &str| format!("./kafka-topics.sh --delete --topic {topic} --bootstrap-server localhost:9092");
        for topic in ["test-topic", "keyed"] {
            assert_eq!(self.runs(&delete(topic), 0).0, "");
        }
        let gone = wait_until(Duration::from_mins(1), || {
            self.runs("./kafka-topics.sh --list --exclude-internal --bootstrap-server localhost:9092", 0).0 == "\n"
        });
        assert!(gone, "the topics are still there");
        let again = self.runs(&delete("test-topic"), 1).0;
        assert!(again.contains("Topic 'Optional[test-topic]' does not exist as expected"), "{again}");
    }
}
