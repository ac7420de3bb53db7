//! Options as Java's tools take them (jopt-simple 5): `--name value`, `--name=value`, `-name value`, in any order and
//! repeated; `--` ends them.
//!
//! The words are brought into one shape first, which is where Java's messages about unknown options and missing
//! arguments come from; `clap` takes it from there. The same table renders the usage (see [`usage`]).

use std::str::FromStr;

use clap::{Arg, ArgAction, ArgMatches, Command};

pub mod usage;

/// What stands behind an option's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A value: its kind (`String`, `Integer`, `Long`) and what it is, which may be empty.
    Required(&'static str, &'static str),
    /// A value that may be left out.
    Optional(&'static str, &'static str),
}

/// One option of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What it takes.
    pub argument: Argument,
    /// What it does, in our words.
    pub help: &'static str,
    /// The value that counts when it is left out, if usage shows one.
    pub default: Option<&'static str>,
}

impl Opt {
    /// A switch.
    pub const fn flag(name: &'static str, help: &'static str) -> Opt {
        Opt { name, argument: Argument::None, help, default: None }
    }

    /// An option with a value.
    pub const fn value(name: &'static str, kind: &'static str, what: &'static str, help: &'static str) -> Opt {
        Opt { name, argument: Argument::Required(kind, what), help, default: None }
    }

    /// An option whose value may be left out.
    pub const fn maybe(name: &'static str, kind: &'static str, what: &'static str, help: &'static str) -> Opt {
        Opt { name, argument: Argument::Optional(kind, what), help, default: None }
    }

    /// With this default.
    pub const fn or(mut self, default: &'static str) -> Opt {
        self.default = Some(default);
        self
    }
}

/// All options of a tool, in any order.
#[derive(Debug, Clone, Copy)]
pub struct Table(pub &'static [Opt]);

/// What is wrong with a command line, in the words of Java's parser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No option has this name.
    #[error("{0} is not a recognized option")]
    Unrecognized(String),
    /// The value is missing.
    #[error("Option {0} requires an argument")]
    NoArgument(&'static str),
    /// Given more than once, where only one can count.
    #[error("Found multiple arguments for option {0}, but you asked for only one")]
    Multiple(String),
    /// Not a value of the option's kind.
    #[error("Cannot parse argument '{value}' of option {name}")]
    Unparsable {
        /// The option.
        name: String,
        /// What was given.
        value: String,
    },
}

impl OptionError {
    /// The exception that Java's parser throws.
    pub fn exception(&self) -> &'static str {
        match self {
            OptionError::Unrecognized(_) => "joptsimple.UnrecognizedOptionException",
            OptionError::NoArgument(_) => "joptsimple.OptionMissingRequiredArgumentException",
            OptionError::Multiple(_) => "joptsimple.MultipleArgumentsForOptionException",
            OptionError::Unparsable { .. } => "joptsimple.OptionArgumentConversionException",
        }
    }
}

impl Table {
    fn find(&self, name: &str) -> Option<&'static Opt> {
        self.0.iter().find(|option| option.name == name)
    }

    /// Takes a command line apart. Words that belong to no option are kept apart, as Java's tools ignore them.
    ///
    /// # Errors
    /// For an unknown option or a missing value.
    pub fn parse(&self, args: &[String]) -> Result<Options, OptionError> {
        let (shaped, positional) = self.shape(args)?;
        let command = Command::new("tool").no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
        let command = self.0.iter().fold(command, |command, option| command.arg(arg(option)));
        let matches = command.try_get_matches_from(shaped).map_err(|error| {
            // The shape holds known options only, each with its value behind `=`.
            OptionError::Unrecognized(error.to_string())
        })?;
        Ok(Options { matches, positional })
    }

    /// The option with the most similar name, if one is similar enough to be what was meant.
    pub fn similar(&self, wrong: &str) -> Option<&'static str> {
        self.0
            .iter()
            .map(|option| (distance(wrong, option.name), option.name))
            .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
            .min()
            .map(|(_, name)| name)
    }

    fn shape(&self, args: &[String]) -> Result<(Vec<String>, Vec<String>), OptionError> {
        let mut shaped = Vec::new();
        let mut positional = Vec::new();
        let mut words = args.iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                positional.extend(words.cloned());
                break;
            }
            let Some(named) =
                word.strip_prefix("--").or_else(|| word.strip_prefix('-').filter(|rest| !rest.is_empty()))
            else {
                positional.push(word.clone());
                continue;
            };
            let (name, given) = match named.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (named, None),
            };
            let Some(option) = self.find(name) else {
                return Err(OptionError::Unrecognized(unknown(word, name)));
            };
            shaped.push(match (option.argument, given) {
                // `--list=true` is `--list` for Java, and so is `--list=false`.
                (Argument::None, _) => format!("--{name}"),
                (_, Some(value)) => format!("--{name}={value}"),
                (Argument::Required(..), None) => {
                    let value = words.next().ok_or(OptionError::NoArgument(option.name))?;
                    format!("--{name}={value}")
                }
                (Argument::Optional(..), None) => match words.next_if(|next| !next.starts_with('-')) {
                    Some(value) => format!("--{name}={value}"),
                    None => format!("--{name}"),
                },
            });
        }
        Ok((shaped, positional))
    }
}

/// Java takes an unknown word behind one dash for a cluster of one-letter options and complains about the first.
fn unknown(word: &str, name: &str) -> String {
    if word.starts_with("--") { name.to_owned() } else { name.chars().take(1).collect() }
}

fn arg(option: &Opt) -> Arg {
    let arg = Arg::new(option.name).long(option.name);
    match option.argument {
        Argument::None => arg.action(ArgAction::Count),
        Argument::Required(..) => arg.action(ArgAction::Append).num_args(1).require_equals(true),
        Argument::Optional(..) => {
            arg.action(ArgAction::Append).num_args(0..=1).require_equals(true).default_missing_value("")
        }
    }
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, left) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, right) in right.iter().enumerate() {
            let changed = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

/// The options of one command line.
#[derive(Debug)]
pub struct Options {
    matches: ArgMatches,
    /// Words that belong to no option.
    pub positional: Vec<String>,
}

impl Options {
    /// Was it given?
    pub fn has(&self, name: &str) -> bool {
        match self.matches.try_get_one::<u8>(name) {
            Ok(count) => count.is_some_and(|count| *count > 0),
            Err(_) => self.matches.contains_id(name),
        }
    }

    /// The options that were given, in the order in which each came first.
    pub fn given(&self) -> impl Iterator<Item = &str> {
        self.matches.ids().map(clap::Id::as_str).filter(|name| self.has(name))
    }

    /// All values, in the order given.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.matches.get_many::<String>(name).map(|values| values.map(String::as_str).collect()).unwrap_or_default()
    }

    /// The value, if there is one.
    ///
    /// # Errors
    /// When there are several.
    pub fn one(&self, name: &str) -> Result<Option<&str>, OptionError> {
        match self.all(name)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(OptionError::Multiple(name.to_owned())),
        }
    }

    /// The value as a number, if there is one.
    ///
    /// # Errors
    /// When there are several, or it is none of that kind.
    pub fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, OptionError> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let unparsable = || OptionError::Unparsable { name: name.to_owned(), value: value.to_owned() };
        value.parse().map(Some).map_err(|_| unparsable())
    }
}

/// `key=value` pairs of a repeated option; a key without `=` gets an empty value, and the last one counts.
pub fn key_values(pairs: &[&str]) -> Vec<(String, String)> {
    let split = |pair: &&str| match pair.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => ((*pair).to_owned(), String::new()),
    };
    pairs.iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table(&[
        Opt::flag("list", "Lists."),
        Opt::value("topic", "String", "topic", "Which."),
        Opt::value("partitions", "Integer", "number", "How many."),
        Opt::maybe("compression-codec", "String", "codec", "How."),
    ]);

    fn parse(line: &str) -> Result<Options, OptionError> {
        TABLE.parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn all_ways_to_write_an_option() {
        for line in ["--topic a --list", "--topic=a --list", "-topic a -list", "-topic=a --list stray"] {
            let options = parse(line).unwrap();
            assert_eq!(options.one("topic"), Ok(Some("a")), "{line}");
            assert!(options.has("list") && !options.has("partitions"), "{line}");
        }
        assert_eq!(parse("--list -- --topic x").unwrap().positional, ["--topic", "x"]);
        assert!(parse("--list=false").unwrap().has("list"));
        let options = parse("--partitions 3 --list --topic a --partitions 4").unwrap();
        assert_eq!(options.given().collect::<Vec<_>>(), ["partitions", "list", "topic"]);
    }

    #[test]
    fn values_may_look_like_options_and_repeat() {
        let options = parse("--partitions -1 --topic --list --topic b=c --topic=").unwrap();
        assert_eq!(options.number::<i32>("partitions"), Ok(Some(-1)));
        assert_eq!(options.all("topic"), ["--list", "b=c", ""]);
        assert!(!options.has("list"));
        assert_eq!(options.one("topic"), Err(OptionError::Multiple("topic".into())));
    }

    #[test]
    fn a_value_may_be_left_out_where_that_means_something() {
        assert_eq!(parse("--compression-codec --list").unwrap().one("compression-codec"), Ok(Some("")));
        assert_eq!(parse("--compression-codec lz4").unwrap().one("compression-codec"), Ok(Some("lz4")));
        assert_eq!(parse("--list").unwrap().one("compression-codec"), Ok(None));
    }

    #[test]
    fn mistakes_are_told_as_java_tells_them() {
        assert_eq!(parse("--zookeeper x").unwrap_err().to_string(), "zookeeper is not a recognized option");
        assert_eq!(parse("-q").unwrap_err().to_string(), "q is not a recognized option");
        assert_eq!(parse("--list --topic").unwrap_err().to_string(), "Option topic requires an argument");
        let error = parse("--partitions abc").unwrap().number::<i32>("partitions").unwrap_err();
        assert_eq!(error.to_string(), "Cannot parse argument 'abc' of option partitions");
    }

    #[test]
    fn a_slip_finds_the_option_that_was_meant() {
        assert_eq!(TABLE.similar("topics"), Some("topic"));
        assert_eq!(TABLE.similar("partition"), Some("partitions"));
        assert_eq!(TABLE.similar("zookeeper"), None);
    }
}
