//! What the scripts promise beyond the transcripts: `restart.sh` after any kind of end, the servers in the background,
//! stop scripts that stop what belongs to their folder and nothing else. The folder's path has a blank in it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::{Kind, Lab, Output, Terminal, full, programs, run_command, wait_until};

const TOPICS: &str = "./kafka-topics.sh --list --exclude-internal --bootstrap-server localhost:9092";
const CREATE_KEPT: &str = "./kafka-topics.sh --create --topic kept --bootstrap-server localhost:9092";

fn run(lab: &Lab, line: &str, code: i32) -> String {
    let output = lab.run(Kind::Ours, line);
    assert_eq!(output.code, code, "{line}\n{}{}", output.stdout, output.stderr);
    output.stdout
}

fn restarted(lab: &Lab, args: &[&str]) -> String {
    let output = lab.restart(args);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("\nReady after "), "{}", output.stdout);
    output.stdout
}

fn all(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

/// Is it there, and not only because nobody has asked yet how it ended?
fn lives(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

fn pids(lab: &Lab) -> [Pid; 2] {
    ["zookeeper", "kafka"].map(|server| lab.pid_of(server).unwrap_or_else(|| panic!("{server} does not run")))
}

/// All brokers that run with the folder's settings, whether there is a note of them or not.
fn brokers_of(lab: &Lab) -> Vec<Pid> {
    let settings = lab.path("config/server.properties").display().to_string();
    let processes = fs::read_dir("/proc").expect("the system tells of its processes").flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_string_lossy().parse::<i32>().ok());
    let is_broker = |number: &i32| {
        let words = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        words.next().is_some_and(|program| program.ends_with("/kafka-server-start"))
            && words.any(|word| word == settings)
    };
    numbers.filter(is_broker).filter_map(Pid::from_raw).filter(|pid| lives(*pid)).collect()
}

#[test]
fn restart_works_after_any_kind_of_end() {
    let lab = Lab::new("any end");
    let said = restarted(&lab, &[]);
    for text in [
        format!("ZooKeeper runs: port {}", lab.zookeeper_port()),
        format!("Kafka runs: port {}", lab.broker_port()),
        format!("data  {}", lab.path("zookeeper-data").display()),
        format!("data  {}", lab.path("kafka-data").display()),
        format!("log   {}", lab.path("logs/zookeeper.out").display()),
        format!("log   {}", lab.path("logs/kafkaServer.out").display()),
        "Created topic test-topic.".to_owned(),
    ] {
        assert!(said.contains(&text), "`{text}` is missing:\n{said}");
    }
    let partitions = run(&lab, "./kafka-topics.sh --describe --topic test-topic --bootstrap-server localhost:9092", 0);
    assert!(partitions.contains("PartitionCount: 4"), "{partitions}");
    run(&lab, CREATE_KEPT, 0);

    // While both run, after `kill -9` of both, and of either.
    assert!(restarted(&lab, &[]).contains("Stopping Kafka (process "));
    lab.kill_both();
    restarted(&lab, &[]);
    for server in ["kafka", "zookeeper"] {
        let _ = kill_process(lab.pid_of(server).expect("it runs"), Signal::KILL);
        restarted(&lab, &[]);
    }
    // Interrupted half way, and with the window closed half way, a little earlier or later.
    for round in 0..if full() { 12 } else { 2 } {
        let mut terminal = Terminal::start(lab.restart_command(&[]));
        terminal.expect("ZooKeeper runs").pause(Duration::from_millis(round * 3 % 20));
        let (screen, code) = if round % 2 == 1 {
            terminal.close()
        } else {
            terminal.ctrl_c();
            terminal.end()
        };
        assert!([0, 129, 130].contains(&code), "{code}: {screen}");
        restarted(&lab, &[]);
        assert_eq!(brokers_of(&lab), [pids(&lab)[1]], "round {round}: one was left behind");
    }
    // Servers that were started by hand belong to the folder as well.
    run(&lab, "./kafka-server-stop.sh", 0);
    run(&lab, "./zookeeper-server-stop.sh", 0);
    let (zookeeper, kafka) = by_hand(&lab);
    restarted(&lab, &[]);
    assert_eq!((zookeeper.end().1, kafka.end().1), (143, 143));
    // And what they ran in may be closed.
    run(&lab, "./kafka-server-stop.sh", 0);
    run(&lab, "./zookeeper-server-stop.sh", 0);
    let (zookeeper, kafka) = by_hand(&lab);
    assert_eq!((kafka.close().1, zookeeper.close().1), (129, 129));
    restarted(&lab, &[]);
    assert_eq!(run(&lab, TOPICS, 0), "kept\ntest-topic\n");

    let said = restarted(&lab, &["--wipe"]);
    let lost = said.find("all topics, records, consumer offsets and znodes are lost").expect("it says so");
    assert!(lost < said.find("ZooKeeper runs").expect("it runs"), "{said}");
    assert_eq!(run(&lab, TOPICS, 0), "test-topic\n");
}

fn by_hand(lab: &Lab) -> (Terminal, Terminal) {
    let mut zookeeper = lab.terminal(Kind::Ours, "./zookeeper-server-start.sh ../config/zookeeper.properties");
    zookeeper.expect("binding to port");
    let mut kafka = lab.terminal(Kind::Ours, "./kafka-server-start.sh ../config/server.properties");
    kafka.expect("started (kafka.server.KafkaServer)");
    (zookeeper, kafka)
}

#[test]
fn servers_run_in_the_background() {
    let lab = Lab::new("back ground");
    // What speaks to Java is passed over.
    let start = |line: &str, overrides: &[String]| {
        let mut command = lab.command(line);
        command
            .args(overrides.iter().flat_map(|setting| ["--override", setting]))
            .env("KAFKA_HEAP_OPTS", "-Xmx1G -Xms1G")
            .env("KAFKA_OPTS", "-javaagent:no.jar")
            .env("KAFKA_LOG4J_OPTS", "-Dlog4j.configuration=file:no.properties")
            .env("KAFKA_JVM_PERFORMANCE_OPTS", "-server")
            .env("JMX_PORT", "9999")
            .env("CARGO_TARGET_DIR", "/no/such/folder")
            .env("LOG_DIR", lab.path("other logs"));
        let output = run_command(command, "");
        assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.code), ("", "", 0), "{line}");
    };
    start("./zookeeper-server-start.sh -daemon ../config/zookeeper.properties", &[]);
    let other = lab.path("other data");
    let overrides = [format!("log.dirs={}", other.display()), "broker.id=7".to_owned()];
    start("./kafka-server-start.sh -daemon ../config/server.properties", &overrides);
    let log = lab.path("other logs/kafkaServer.out");
    let is_up = || fs::read_to_string(&log).is_ok_and(|log| log.contains("started (kafka.server.KafkaServer)"));
    assert!(wait_until(Duration::from_mins(1), is_up), "{}", fs::read_to_string(&log).unwrap_or_default());
    assert!(other.join("meta.properties").exists() && !lab.path("kafka-data").exists());
    let ids = run(&lab, "./zookeeper-shell.sh localhost:2181 ls /brokers/ids", 0);
    assert_eq!(ids.lines().last(), Some("[7]"), "{ids}");
    let [zookeeper, kafka] = pids(&lab);
    assert_eq!(run(&lab, "./kafka-server-stop.sh", 0), "");
    assert!(!lives(kafka) && lives(zookeeper), "the script waits for the end of its own server");
    assert_eq!(run(&lab, "./zookeeper-server-stop.sh", 0), "");
    assert!(!lives(zookeeper));
    assert_eq!(run(&lab, "./kafka-server-stop.sh", 1), "No kafka server to stop\n");
    assert_eq!(run(&lab, "./zookeeper-server-stop.sh", 1), "No zookeeper server to stop\n");
}

#[test]
fn only_what_belongs_to_the_folder_is_stopped() {
    let (one, other) = (Lab::new("side by side"), Lab::new("side by side"));
    restarted(&one, &[]);
    restarted(&other, &[]);
    let others = pids(&other);
    restarted(&one, &["--wipe"]);
    run(&one, "./kafka-server-stop.sh", 0);
    assert_eq!(pids(&other), others);
    assert!(others.into_iter().all(lives));
    run(&other, TOPICS, 0);

    // A note whose process has ended and whose number somebody else has got.
    let mut stranger = Stranger(Command::new("sleep").arg("100").spawn().expect("sleep is there"));
    let note = one.path("logs/pids").join(stranger.0.id().to_string());
    fs::create_dir_all(&note).expect("the lab can be written");
    fs::write(note.join("kafka.pid"), format!("{}\n1\n", stranger.0.id())).expect("the lab can be written");
    assert_eq!(run(&one, "./kafka-server-stop.sh", 1), "No kafka server to stop\n");
    restarted(&one, &[]);
    assert!(stranger.0.try_wait().expect("it is our child").is_none(), "a stranger was stopped");
}

/// A process that is nobody's server.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_has_taken_a_port_is_named() {
    let lab = Lab::new("port taken");
    let holder = format!("process {}", std::process::id());
    let taken = TcpListener::bind(("0.0.0.0", lab.broker_port())).expect("the port is free");
    let failed = lab.restart(&[]);
    assert_eq!(failed.code, 1, "{}", all(&failed));
    for text in ["Kafka ended instead of serving", "Address already in use", &holder, "listeners="] {
        assert!(failed.stderr.contains(text), "`{text}` is missing:\n{}", failed.stderr);
    }
    let refused = lab.restart(&["--wipe"]);
    assert_eq!(refused.code, 1, "{}", all(&refused));
    assert!(refused.stderr.contains(&holder) && refused.stderr.contains("nothing was deleted"), "{}", all(&refused));
    assert!(lab.path("zookeeper-data/version-2").exists());
    drop(taken);
    restarted(&lab, &[]);
}

#[test]
fn restart_works_from_anywhere() {
    let lab = Lab::new("any where");
    let link = lab.path("elsewhere");
    fs::create_dir(&link).expect("the lab can be written");
    symlink(lab.path(""), link.join("kafka")).expect("the lab can be written");
    symlink(lab.path("restart.sh"), link.join("up")).expect("the lab can be written");
    let from = |program: &Path, dir: &str| {
        let mut command = Command::new(program);
        command.env("KAFKA_PROGRAM_DIR", programs()).current_dir(dir);
        let output = run_command(command, "");
        assert_eq!(output.code, 0, "{}", all(&output));
        assert!(output.stdout.contains(&lab.path("kafka-data").display().to_string()), "{}", all(&output));
        output.stdout
    };
    from(&lab.path("restart.sh"), "/");
    assert!(from(&link.join("kafka/restart.sh"), "/tmp").contains("Stopping Kafka"));
    assert!(from(&link.join("up"), "/").contains("Stopping ZooKeeper"));
    let mut stop = Command::new(link.join("kafka/bin/kafka-server-stop.sh"));
    stop.current_dir("/");
    assert_eq!(run_command(stop, "").code, 0);
}

#[test]
fn what_is_missing_is_told() {
    let lab = Lab::new("no cargo");
    let tools = lab.path("tools");
    fs::create_dir(&tools).expect("the lab can be written");
    for tool in ["bash", "env", "readlink", "mkdir", "mv", "rm", "find", "stat", "tail", "sed", "setsid", "timeout"] {
        let found = ["/usr/bin", "/bin"].into_iter().map(|dir| Path::new(dir).join(tool)).find(|path| path.exists());
        symlink(found.unwrap_or_else(|| panic!("{tool} is not there")), tools.join(tool)).expect("the lab is ours");
    }
    let run = |args: &[&str]| {
        let mut command = lab.restart_command(args);
        command.env_remove("KAFKA_PROGRAM_DIR").env("PATH", &tools).env("HOME", &tools);
        run_command(command, "")
    };
    let output = run(&[]);
    assert_eq!(output.code, 1, "{}", all(&output));
    assert!(output.stderr.contains("cargo, Rust's build tool, is not installed"), "{}", output.stderr);
    fs::remove_file(lab.path("target/release")).expect("it is a link");
    let mut command = lab.command("./kafka-topics.sh --list --bootstrap-server localhost:9092");
    command.env("PATH", &tools).env("HOME", &tools);
    let output = run_command(command, "");
    assert_eq!(output.code, 1, "{}", all(&output));
    assert!(output.stderr.starts_with("kafka-topics is not built yet"), "{}", output.stderr);
    assert!(output.stderr.contains("https://rustup.rs"), "{}", output.stderr);
    symlink(programs(), lab.path("target/release")).expect("the lab is ours");

    for args in [&["-x"][..], &["--wipe", "more"]] {
        let output = run(args);
        assert_eq!((output.stdout.as_str(), output.code), ("", 1));
        assert!(output.stderr.starts_with("USAGE: ./restart.sh [--wipe]"), "{}", output.stderr);
    }
    fs::remove_file(lab.path("config/server.properties")).expect("it is there");
    let output = lab.restart(&[]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("config/server.properties cannot be read"), "{}", output.stderr);
}
