//! Java system properties as people hand them over: `-Dname=value` words of a Java command line, in variables such as
//! `KAFKA_OPTS` that Apache's scripts pass on to `java`.

use crate::file::{Origin, Properties};

impl Properties {
    /// Lays the `-Dname=value` words of `flags` over what is there, as `java` does: a later one wins, a word without `=`
    /// has the empty value. Words are parted at blanks, as an unquoted variable in a script is.
    ///
    /// Gives the words that are no property: they speak to a Java machine.
    pub fn define<'a>(&mut self, origin: &Origin, flags: &'a str) -> Vec<&'a str> {
        let mut others = Vec::new();
        for word in flags.split_ascii_whitespace() {
            match word.strip_prefix("-D") {
                Some(definition) if !definition.is_empty() => {
                    let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
                    self.set(name, value, origin.clone());
                }
                _ => others.push(word),
            }
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_java_command_line() {
        let mut properties = Properties::new();
        let others = properties.define(&Origin::Variable("JVMFLAGS"), " -Xmx1g\t-Da.b=1=2 -Dflag  -D\n-Dc=");
        assert_eq!(others, ["-Xmx1g", "-D"]);
        properties.define(&Origin::Variable("KAFKA_OPTS"), "-Da.b=3");
        assert_eq!(properties.get("a.b"), Some("3"));
        assert_eq!(properties.get("flag"), Some(""));
        assert_eq!(properties.get("c"), Some(""));
        assert_eq!(
            properties.entry("a.b").map(|entry| entry.origin.to_string()).as_deref(),
            Some("variable KAFKA_OPTS")
        );
    }
}
