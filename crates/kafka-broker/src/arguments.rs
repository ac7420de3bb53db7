//! The command line of `kafka-server-start`, in the form of Java's option parser.

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The settings.
    pub(crate) file: String,
    /// `key=value`, in order.
    pub(crate) overrides: Vec<String>,
}

/// What becomes of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Run a broker.
    Run(Arguments),
    /// Print this and end.
    Exit {
        /// For standard output.
        stdout: String,
        /// For standard error.
        stderr: String,
        /// The exit code.
        code: u8,
    },
    /// A mistake that Java reports as an exception: its text.
    Fatal(String),
}

const USAGE: &str = "USAGE: java [options] kafka.Kafka server.properties [--override property=value]*
Option               Description                                                
------               -----------                                                
--override <String>  Sets a property, in the place of the one in                
                       server.properties                                        
--version            Prints the version and ends                                
";

/// Reads the arguments behind the program's name.
pub(crate) fn parse(arguments: Vec<String>) -> Parsed {
    if arguments.is_empty() || arguments.iter().any(|argument| argument == "--help") {
        return usage("");
    }
    if arguments.iter().any(|argument| argument == "--version") {
        return Parsed::Exit { stdout: format!("{}\n", crate::KAFKA_VERSION), stderr: String::new(), code: 0 };
    }
    let mut words = arguments.into_iter();
    let file = words.next().unwrap_or_default();
    let mut overrides = Vec::new();
    let mut stray = Vec::new();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|rest| !rest.is_empty())
        else {
            stray.push(word);
            continue;
        };
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        if name != "override" {
            return Parsed::Fatal(format!("joptsimple.UnrecognizedOptionException: {name} is not a recognized option"));
        }
        let Some(value) = value.or_else(|| words.next()) else {
            let missing = "joptsimple.OptionMissingRequiredArgumentException: Option override requires an argument";
            return Parsed::Fatal(missing.to_owned());
        };
        overrides.push(value);
    }
    if stray.is_empty() {
        Parsed::Run(Arguments { file, overrides })
    } else {
        usage(&format!("Found non argument parameters: {}\n", stray.join(",")))
    }
}

fn usage(before: &str) -> Parsed {
    Parsed::Exit { stdout: String::new(), stderr: format!("{before}{USAGE}"), code: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_file_and_overrides() {
        let parsed = parse(words("server.properties --override a=b --override=c=d"));
        let overrides = vec!["a=b".to_owned(), "c=d".to_owned()];
        assert_eq!(parsed, Parsed::Run(Arguments { file: "server.properties".to_owned(), overrides }));
    }

    #[test]
    fn mistakes_read_as_java_prints_them() {
        let fatal = |line: &str| match parse(words(line)) {
            Parsed::Fatal(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(fatal("f --frobnicate").ends_with("frobnicate is not a recognized option"));
        assert!(fatal("f --override").ends_with("Option override requires an argument"));
        let Parsed::Exit { stderr, code, .. } = parse(words("f extra")) else { panic!("it ran") };
        assert_eq!((stderr.lines().next(), code), (Some("Found non argument parameters: extra"), 1));
        assert!(matches!(parse(Vec::new()), Parsed::Exit { code: 1, .. }));
        let version = Parsed::Exit { stdout: "3.9.1\n".to_owned(), stderr: String::new(), code: 0 };
        assert_eq!(parse(words("--version")), version);
    }
}
