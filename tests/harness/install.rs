//! Installs what the tests need and the machine does not have. In CI a missing tool is a failure, not a skip.

use std::process::Command;
use std::sync::Mutex;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Makes sure that a program is there, if need be by installing a Debian package.
///
/// # Panics
/// When it is not there and cannot be installed; the message says what to install by hand.
pub fn ensure_program(program: &str, package: &str) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if is_there(program) {
        return;
    }
    eprintln!("{program} is missing: installing the package {package}");
    let install = format!("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install {package}");
    let installed = Command::new("sh").arg("-c").arg(install).status().is_ok_and(|status| status.success());
    assert!(
        installed && is_there(program),
        "the tests need `{program}` (Debian package {package}), and it could not be installed: install it by hand"
    );
}

fn is_there(program: &str) -> bool {
    let looked_for = format!("command -v {program} >/dev/null 2>&1");
    Command::new("sh").arg("-c").arg(looked_for).status().is_ok_and(|status| status.success())
}
