//! Each setting under each of its names, and its default.

use properties::{Origin, Properties};

use super::super::parse;
use super::*;

fn parsed(text: &str) -> Result<ServerConfig, ConfigError> {
    let text = format!("dataDir=/d\n{text}");
    parse(&Properties::parse("zoo.cfg", text.as_bytes()).unwrap(), &Properties::new())
}

/// The same settings as system properties.
fn defined(text: &str) -> ServerConfig {
    let mut system = Properties::new();
    let flags: Vec<String> = text.lines().map(|line| format!("-Dzookeeper.{line}")).collect();
    system.define(&Origin::Variable("KAFKA_OPTS"), &flags.join(" "));
    parse(&Properties::parse("zoo.cfg", b"dataDir=/d").unwrap(), &system).unwrap()
}

#[test]
fn lists_of_words() {
    assert_eq!(whitelist("stat, ruok,*"), Whitelist::All);
    assert!(whitelist("stat, ruok").allows("ruok"));
    assert!(!whitelist("").allows("srvr"));
    assert!(parsed("readonlymode.enabled=true").unwrap().whitelist.allows("isro"));
    assert!(!parsed("").unwrap().whitelist.allows("isro"));
}

#[test]
fn properties_in_the_file_and_on_the_command_line() {
    let text = "enforceQuota=true\ncloseSessionTxn.enabled=false\nflushDelay=30\nmaxBatchSize=7\n\
                request_throttle_max_requests=5\nthrottled_op_wait_time=9\nrequest_stale_latency_check=true\n\
                connection_throttle_tokens=4\nconnection_throttle_drop_increase=0.5\n\
                largeRequestThreshold=1000\nlargeRequestMaxBytes=5000\nnio.sessionlessCnxnTimeout=77\n\
                clientTcpKeepAlive=true\nensembleAuthName=a,b\ndatadir.autocreate=false\n\
                DigestAuthenticationProvider.digestAlg=SHA-256\njute.maxbuffer.extrasize=5";
    for config in [parsed(text).unwrap(), defined(text)] {
        assert_eq!(config.warnings, [""; 0]);
        assert!(config.enforce_quota && !config.close_session_txn && !config.create_data_dir);
        assert_eq!((config.flush.delay_ms, config.flush.poll_ms, config.flush.batch), (30, 10, 7));
        let requests = config.request_throttle;
        assert_eq!((requests.max_requests, requests.wait_ms), (5, 9));
        assert!(requests.stale_by_latency && requests.drop_stale);
        assert_eq!((config.connection_throttle.tokens, config.connection_throttle.drop_increase), (4, 0.5));
        assert_eq!((config.large_request, config.large_request_bytes), (Some(1000), 5000));
        assert_eq!((config.sessionless_ms, config.tcp_keep_alive), (77, true));
        assert_eq!(config.ensemble_names.as_deref(), Some(["a".to_owned(), "b".to_owned()].as_slice()));
        assert_eq!(config.digest_algorithm, Some(DigestAlgorithm::Sha256));
        assert_eq!(config.extra_packet, 1024, "not less");
    }
}

#[test]
fn names_of_the_manual() {
    let config =
        parsed("connectionMaxTokens=4\nconnectionTokenFillTime=5\nrequestThrottleLimit=6\nthrottledOpWaitTime=7")
            .unwrap();
    assert_eq!((config.connection_throttle.tokens, config.connection_throttle.fill_ms), (4, 5));
    assert_eq!((config.request_throttle.max_requests, config.request_throttle.wait_ms), (6, 7));
    let both = parsed("connectionMaxTokens=4\nconnection_throttle_tokens=5").unwrap();
    assert_eq!(both.connection_throttle.tokens, 5, "what Apache's server reads wins");
}

#[test]
fn containers() {
    let text =
        "znode.container.checkIntervalMs=5\nznode.container.maxPerMinute=6\nznode.container.maxNeverUsedIntervalMs=7";
    let reaper = parsed(text).unwrap().reaper;
    assert_eq!((reaper.interval_ms, reaper.per_minute, reaper.never_used_ms), (5, 6, 7));
    assert!(parsed("znode.container.checkIntervalMs=0").unwrap_err().to_string().contains("must be above 0"));
}

#[test]
fn classes_of_apache_and_of_others() {
    let config = parsed(
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
         watchManagerName=org.apache.zookeeper.server.watch.WatchManagerOptimized\n\
         authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n\
         authProvider.ensemble=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider",
    )
    .unwrap();
    assert_eq!(config.auth_providers, [AuthProvider::Sasl, AuthProvider::Ensemble]);
    for setting in ["serverCnxnFactory=com.example.Factory", "watchManagerName=x.Y", "authProvider.1=com.example.Auth"]
    {
        let error = parsed(setting).unwrap_err().to_string();
        assert!(
            error.contains("Couldn't instantiate") && error.ends_with(&format!("zoo.cfg, line 2: {setting}")),
            "{error}"
        );
    }
}

#[test]
fn schemes_that_are_required_must_be_there() {
    let enforced = "enforce.auth.enabled=true\n";
    let missing = parsed(enforced).unwrap_err().to_string();
    assert!(missing.contains("zookeeper.enforce.auth.schemes must be configured"), "{missing}");
    let config = parsed(&format!("{enforced}enforce.auth.schemes=digest,ip")).unwrap();
    assert_eq!(config.required_schemes, Some(vec!["digest".to_owned(), "ip".to_owned()]));
    let error = parsed("sessionRequireClientSASLAuth=true").unwrap_err().to_string();
    assert!(error.ends_with("Authentication scheme sasl is not available."), "{error}");
    let off = parsed(&format!("{enforced}enforce.auth.schemes=digest\nDigestAuthenticationProvider.enabled=false"));
    assert!(off.is_err());
}

#[test]
fn membership_of_one() {
    assert!(!parsed("").unwrap().reconfig && parsed("reconfigEnabled=true").unwrap().reconfig);
    assert!(parsed("reconfigEnabled=maybe").is_err());
    let config = parsed("localSessionsEnabled=true\nsyncLimit=5\nquorum.auth.enableSasl=false").unwrap();
    assert_eq!((config.notices.len(), config.warnings.len()), (3, 0));
}
