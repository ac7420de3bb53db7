//! `zoo.cfg`: any text gives a configuration or a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use properties::Properties;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = Properties::parse("zoo.cfg", data) else { return };
    match zk_server::config::parse(&file, &Properties::new()) {
        Ok(config) => {
            assert!(config.tick_ms > 0);
            config.warnings.iter().for_each(|warning| assert!(!warning.is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
