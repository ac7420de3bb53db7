//! Coordination servers for suites that start their own, as `java .. QuorumPeerMain CONFIG`. With ours, a script named
//! `java` stands first on `PATH`, which starts our program with the same system properties and configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tests::{Apache, Kind, TempDir, programs};

const JAVA: &str = r#"#!/bin/sh
# java [OPTION ...] CLASS CONFIG
left=$#
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    case $word in -D*) set -- "$@" "$word" ;; esac
done
exec "$ZOOKEEPER_PROGRAM" "$@" "$word"
"#;

/// Gives a command what it needs to start servers of a kind.
pub(super) fn use_server(command: &mut Command, kind: Kind, dir: &TempDir) {
    let apache = Apache::get();
    command.env("ZOOKEEPER_CLASSPATH", apache.class_path());
    match kind {
        Kind::Apache => {
            command.env("JDK_JAVA_OPTIONS", apache.java_options("-Xmx256m", "server.log4j").join(" "));
        }
        Kind::Ours => {
            let bin = dir.join("bin");
            fs::create_dir_all(&bin).expect("the test's directory can be written");
            fs::write(bin.join("java"), JAVA).expect("the test's directory can be written");
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(bin.join("java"), executable).expect("the test's directory can be written");
            let path = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{}:{path}", bin.display()));
            command.env("ZOOKEEPER_PROGRAM", programs().join("zookeeper-server-start"));
        }
    }
}
