//! TLS and SASL between their clients and our server, our clients and theirs.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::{Broker, Kind, Output, Python, TempDir, Tools, ZooKeeper, free_port, repository, run_command, wait_until};

const PASSWORD: &str = "changeit";
const MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";

fn store(name: &str) -> PathBuf {
    repository().join("tests/golden/key-stores").join(name)
}

/// A server with a port for TLS and users of SASL.
struct Secure {
    server: ZooKeeper,
    port: u16,
    jaas: PathBuf,
    dir: TempDir,
}

impl Secure {
    fn start(name: &str, kind: Kind, key_store: &str, trust_store: &str, more: &str) -> Secure {
        let dir = TempDir::new(name);
        let jaas = dir.join("jaas.conf");
        let text = format!(
            "Server {{ {MODULE} required user_super=\"root\" user_bob=\"b\\\"ob\"; }};\n\
             Client {{ {MODULE} required username=\"bob\" password=\"b\\\"ob\"; }};\n"
        );
        fs::write(&jaas, text).expect("the test's directory can be written");
        let port = free_port();
        let settings = format!(
            "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\nsecureClientPort={port}\n\
             ssl.keyStore.location={}\nssl.keyStore.password={PASSWORD}\nssl.trustStore.location={}\n\
             ssl.trustStore.password={PASSWORD}\n\
             authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n{more}",
            store(key_store).display(),
            store(trust_store).display()
        );
        let flags = format!("-Djava.security.auth.login.config={}", jaas.display());
        let variable = if kind == Kind::Ours { "SERVER_JVMFLAGS" } else { "JDK_JAVA_OPTIONS" };
        let mut server = ZooKeeper::prepare(kind, &dir.join("zookeeper"), &settings);
        server.run_under(&["env", &format!("{variable}={flags}")]);
        server.run();
        // Apache's opens it behind the plain one, and a shell does not ask twice.
        let open = wait_until(Duration::from_mins(1), || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(open, "{kind:?} has no port for TLS");
        Secure { server, port, jaas, dir }
    }

    /// A file for `-zk-tls-config-file`.
    fn client_file(&self, key_store: &str, trust_store: &str) -> PathBuf {
        let path = self.dir.join(&format!("{key_store}-{trust_store}.properties"));
        fs::write(&path, client_settings(key_store, trust_store)).expect("the test's directory can be written");
        path
    }

    /// One command of the shell, over TLS.
    fn shell(&self, kind: Kind, file: &Path, words: &[&str], login: bool) -> Output {
        let mut command = Tools(kind).command("zookeeper-shell");
        command.arg(format!("localhost:{}", self.port)).arg("-zk-tls-config-file").arg(file).args(words);
        if login {
            let flags = format!("-Djava.security.auth.login.config={}", self.jaas.display());
            command.env(if kind == Kind::Ours { "KAFKA_OPTS" } else { "JDK_JAVA_OPTIONS" }, flags);
        }
        run_command(command, "")
    }
}

fn client_settings(key_store: &str, trust_store: &str) -> String {
    format!(
        "zookeeper.ssl.client.enable=true\nzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty\n\
         zookeeper.ssl.keystore.location={}\nzookeeper.ssl.keystore.password={PASSWORD}\n\
         zookeeper.ssl.truststore.location={}\nzookeeper.ssl.truststore.password={PASSWORD}\n",
        store(key_store).display(),
        store(trust_store).display()
    )
}

#[test]
fn kazoo_over_tls_and_sasl() {
    let python = Python::with("kazoo-sasl", &["kazoo==2.10.0", "pure-sasl==0.6.2"]);
    let script = repository().join("tests/interop/python/kazoo_security_script.py");
    for (key_store, trust_store) in
        [("server.jks", "trust.jks"), ("server-keytool.p12", "trust.p12"), ("server-encrypted.pem", "server-plain.pem")]
    {
        let secure = Secure::start("kazoo-tls", Kind::Ours, key_store, trust_store, "");
        let (plain, tls) = (secure.server.port().to_string(), secure.port.to_string());
        let pem = store("server-plain.pem");
        let output = python.run(&script, &[&plain, &tls, &pem.display().to_string(), "bob", "b\"ob"]);
        assert_eq!(output.code, 0, "{key_store}: {}{}", output.stdout, output.stderr);
        assert_eq!(output.stdout.lines().count(), 7, "{}", output.stdout);
    }
}

#[test]
fn shells_over_tls_and_sasl() {
    for (server, shell) in [(Kind::Ours, Kind::Apache), (Kind::Apache, Kind::Ours), (Kind::Ours, Kind::Ours)] {
        let secure = Secure::start("shell-tls", server, "server.jks", "trust.jks", "");
        let file = secure.client_file("server-keytool.p12", "trust.p12");
        let made = secure.shell(shell, &file, &["create", "/mine", "data", "auth::cdrwa"], true);
        assert!(made.stderr.contains("Created /mine"), "{shell:?} on {server:?}: {}{}", made.stdout, made.stderr);
        let who = secure.shell(shell, &file, &["getAcl", "/mine"], true);
        for id in ["'sasl,'bob", "'x509,'"] {
            assert!(who.stdout.contains(id), "{shell:?} on {server:?}: {}{}", who.stdout, who.stderr);
        }
        let anonymous = Tools(Kind::Ours).run("zookeeper-shell", &format!("{} get /mine", secure.server.address()));
        assert!(anonymous.stderr.contains("Insufficient permission"), "{}{}", anonymous.stdout, anonymous.stderr);
    }
}

#[test]
fn our_shell_says_what_is_wrong() {
    let secure = Secure::start("shell-wrong", Kind::Ours, "server.jks", "trust.jks", "");
    let shell = |key_store: &str, trust_store: &str| {
        let file = secure.client_file(key_store, trust_store);
        let output = secure.shell(Kind::Ours, &file, &["-timeout", "3000", "ls", "/"], false);
        assert_ne!(output.code, 0, "{}", output.stdout);
        output.stderr
    };
    let stranger = shell("server.jks", "odd1.pem");
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let password = shell("server-encrypted.pem", "none.jks");
    assert!(password.contains("zookeeper.ssl.trustStore.location") && password.contains("none.jks"), "{password}");
    let none = shell("trust.jks", "trust.jks");
    assert!(none.contains("no private key with its certificate"), "{none}");
    assert!(secure.server.four_letter("srvr").contains("Mode: standalone"));
}

#[test]
fn a_server_without_what_it_needs_does_not_start() {
    let start = |settings: &str| {
        let dir = TempDir::new("tls-start");
        let file = dir.join("zoo.cfg");
        let port = free_port();
        let text = format!("dataDir={}\nsecureClientPort={port}\n{settings}\n", dir.join("data").display());
        fs::write(&file, text).unwrap();
        let mut command = Command::new(tests::programs().join("zookeeper-server-start"));
        command.arg(&file);
        run_command(command, "")
    };
    let keys = format!("ssl.keyStore.location={}", store("server.jks").display());
    let wrong = start(&format!("{keys}\nssl.keyStore.password=wrong\nssl.clientAuth=none"));
    assert!(wrong.code == 1 && wrong.stdout.contains("password was incorrect"), "{}{}", wrong.stdout, wrong.stderr);
    let trust = start(&format!("{keys}\nssl.keyStore.password={PASSWORD}"));
    assert!(trust.code == 1 && trust.stdout.contains("ssl.trustStore.location not specified"), "{}", trust.stdout);
    let protocol = start(&format!("{keys}\nssl.protocol=SSLv3"));
    assert!(protocol.code == 2 && protocol.stdout.contains("TLSv1.2 and TLSv1.3 are there"), "{}", protocol.stdout);
}

#[test]
fn changed_stores_are_read_again() {
    let dir = TempDir::new("tls-reload");
    let key_store = dir.join("server.jks");
    fs::copy(store("server.jks"), &key_store).unwrap();
    let mine = format!("ssl.keyStore.location={}\nclient.certReload=true", key_store.display());
    let secure = Secure::start("tls-reload-server", Kind::Ours, "server.jks", "trust.jks", &mine);
    let file = secure.client_file("server.jks", "trust.jks");
    let shell = || secure.shell(Kind::Ours, &file, &["ls", "/"], false);
    assert!(shell().stdout.contains("[zookeeper]"));
    let log = || fs::read_to_string(secure.server.log()).unwrap();
    fs::write(&key_store, b"no store").unwrap();
    assert!(wait_until(Duration::from_mins(1), || log().contains("The changed stores are not taken")), "{}", log());
    assert!(shell().stdout.contains("[zookeeper]"), "the old one is still there");
    fs::copy(store("server.p12"), &key_store).unwrap();
    assert!(wait_until(Duration::from_mins(1), || log().contains("are read again")), "{}", log());
    assert!(shell().stdout.contains("[zookeeper]"));
}

#[test]
fn a_broker_reaches_its_server_over_tls() {
    let secure = Secure::start("broker-tls", Kind::Ours, "server.jks", "trust.jks", "");
    let settings = client_settings("server-keytool.p12", "trust.p12");
    let address = format!("localhost:{}/kafka", secure.port);
    let broker = Broker::start_with(Kind::Ours, &secure.dir.join("kafka"), &address, &settings);
    let made =
        Tools(Kind::Ours).run("kafka-topics", &format!("--bootstrap-server {} --create --topic t", broker.address()));
    assert_eq!(made.code, 0, "{}{}", made.stdout, made.stderr);
    let clients = secure.server.four_letter("cons");
    assert!(clients.lines().filter(|line| line.contains("sid=")).count() >= 1, "{clients}");
}
