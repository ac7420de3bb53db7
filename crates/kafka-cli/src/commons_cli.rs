//! Options as Apache's commons-cli 1.4 (`DefaultParser`) takes them: ZooKeeper's shell and its tools are written with it.
//!
//! Options stand anywhere between the arguments; short names may have several letters and may be joined (`-sw`), values
//! may follow directly (`-v3`, `-v=3`) or as the next word, long names may be shortened; `--` ends them. A word with a
//! dash that is no option is an error, also a negative number, unless it is an option's value.

use std::fmt;

pub mod help;

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// Its short name, without dash.
    pub short: &'static str,
    /// Its long name, without dashes.
    pub long: Option<&'static str>,
    /// What usage calls its value; `None` takes none.
    pub value: Option<&'static str>,
    /// Must it be there?
    pub required: bool,
    /// What it does.
    pub help: &'static str,
}

impl Opt {
    /// A switch.
    pub const fn flag(short: &'static str, help: &'static str) -> Opt {
        Opt { short, long: None, value: None, required: false, help }
    }

    /// An option with a value.
    pub const fn value(short: &'static str, help: &'static str) -> Opt {
        Opt { value: Some("arg"), ..Opt::flag(short, help) }
    }

    /// With this long name.
    pub const fn long(mut self, name: &'static str) -> Opt {
        self.long = Some(name);
        self
    }

    /// With this name for its value; it must be there.
    pub const fn required(mut self, value: &'static str) -> Opt {
        self.value = Some(value);
        self.required = true;
        self
    }
}

/// Do the options exclude each other?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// No.
    None,
    /// At most one may be given.
    AtMostOne,
    /// Exactly one must be given.
    ExactlyOne,
}

/// The options of a command or tool.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// In the order in which Apache declares them.
    pub options: &'static [Opt],
    /// Whether they exclude each other.
    pub group: Group,
}

impl Options {
    /// Options that do not exclude each other.
    pub const fn of(options: &'static [Opt]) -> Options {
        Options { options, group: Group::None }
    }
}

/// What is wrong with a command line, in the words of commons-cli.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No option has this name.
    #[error("Unrecognized option: {0}")]
    Unrecognized(String),
    /// A shortened long name fits several options.
    #[error("Ambiguous option: '{word}'  (could be: {})", quoted(candidates))]
    Ambiguous {
        /// As it was given.
        word: String,
        /// What it could be.
        candidates: Vec<&'static str>,
    },
    /// The value is missing.
    #[error("Missing argument for option: {0}")]
    MissingArgument(&'static str),
    /// Options that must be there are not.
    #[error("Missing required option{}: {}", if .0.len() == 1 { "" } else { "s" }, .0.join(", "))]
    MissingOption(Vec<String>),
    /// Another option of the group was given before.
    #[error("The option '{given}' was specified but an option from this group has already been selected: '{before}'")]
    AlreadySelected {
        /// The second option.
        given: &'static str,
        /// The first one.
        before: &'static str,
    },
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

impl ParseError {
    /// As Java prints it with its class.
    pub fn with_class(&self) -> String {
        let class = match self {
            ParseError::Unrecognized(_) => "UnrecognizedOptionException",
            ParseError::Ambiguous { .. } => "AmbiguousOptionException",
            ParseError::MissingArgument(_) => "MissingArgumentException",
            ParseError::MissingOption(_) => "MissingOptionException",
            ParseError::AlreadySelected { .. } => "AlreadySelectedException",
        };
        format!("org.apache.commons.cli.{class}: {self}")
    }
}

/// A command line taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    given: Vec<(&'static str, Option<String>)>,
    /// What is neither an option nor a value of one.
    pub args: Vec<String>,
}

impl Parsed {
    /// Was the option with this short name given?
    pub fn has(&self, short: &str) -> bool {
        self.given.iter().any(|(name, _)| *name == short)
    }

    /// Its value, the first one if it was given several times.
    pub fn value(&self, short: &str) -> Option<&str> {
        self.given.iter().find(|(name, _)| *name == short).and_then(|(_, value)| value.as_deref())
    }
}

impl Options {
    /// Takes words apart.
    ///
    /// # Errors
    /// [`ParseError`] for the first word that does not fit, or for what is missing at the end.
    pub fn parse<S: AsRef<str>>(&self, words: &[S]) -> Result<Parsed, ParseError> {
        let mut parser = Parser { options: self, parsed: Parsed::default(), open: None, only_args: false };
        words.iter().try_for_each(|word| parser.take(word.as_ref()))?;
        parser.finish()
    }

    fn short(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.short == name)
    }

    /// Long names that begin with `name`, or the one that is `name`.
    fn long(&self, name: &str) -> Vec<&'static Opt> {
        let has = |test: &dyn Fn(&str) -> bool| -> Vec<&'static Opt> {
            self.options.iter().filter(|option| option.long.is_some_and(test)).collect()
        };
        let exact = has(&|long| long == name);
        if exact.is_empty() { has(&|long| long.starts_with(name)) } else { exact }
    }

    /// The option whose long name stands at the start of `name`, with a value directly behind it.
    fn long_prefix(&self, name: &str) -> Option<&'static Opt> {
        let letters = name.chars().count();
        let fits = |option: &&Opt| {
            let len = option.long.map_or(0, |long| long.chars().count());
            option.long.is_some_and(|long| name.starts_with(long)) && len > 1 && len + 2 <= letters
        };
        self.options.iter().filter(fits).max_by_key(|option| option.long.map_or(0, str::len))
    }

    fn is_option(&self, word: &str) -> bool {
        let Some(name) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else { return false };
        let name = name.split('=').next().unwrap_or(name);
        let stripped = name.strip_prefix('-').unwrap_or(name);
        !self.long(stripped).is_empty()
            || (!word.starts_with("--") && self.long_prefix(stripped).is_some())
            || self.short(name).is_some()
            || name.chars().next().is_some_and(|first| self.short(first.encode_utf8(&mut [0; 4])).is_some())
    }
}

struct Parser<'a> {
    options: &'a Options,
    parsed: Parsed,
    /// The option that waits for its value.
    open: Option<&'static Opt>,
    only_args: bool,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> Result<(), ParseError> {
        if self.only_args {
            self.parsed.args.push(word.to_owned());
            return Ok(());
        }
        if word == "--" {
            self.only_args = true;
            return Ok(());
        }
        if self.open.is_some() && (!self.options.is_option(word) || word.parse::<f64>().is_ok()) {
            self.set_value(without_quotes(word));
            return Ok(());
        }
        match word.strip_prefix('-') {
            None | Some("") => {
                self.parsed.args.push(word.to_owned());
                Ok(())
            }
            Some(rest) => match rest.strip_prefix('-') {
                Some(long) => self.long(word, long),
                None => self.short_or_long(word, rest),
            },
        }
    }

    fn short_or_long(&mut self, word: &str, name: &str) -> Result<(), ParseError> {
        if let Some((name, value)) = name.split_once('=') {
            if name.chars().count() != 1 {
                return self.long(word, &word[1..]);
            }
            return match self.options.short(name) {
                Some(option) if option.value.is_some() => self.give_with(option, value),
                _ => Err(ParseError::Unrecognized(word.to_owned())),
            };
        }
        if let Some(option) = self.options.short(name) {
            return self.give(option);
        }
        if name.chars().count() == 1 {
            return Err(ParseError::Unrecognized(word.to_owned()));
        }
        if !self.options.long(name).is_empty() {
            return self.long(word, name);
        }
        match self.options.long_prefix(name) {
            Some(option) if option.value.is_some() => self.give_with(option, &name[option.long.map_or(0, str::len)..]),
            _ => self.joined(word, name),
        }
    }

    /// `-swv3`: letters, and the value of the last one.
    fn joined(&mut self, word: &str, letters: &str) -> Result<(), ParseError> {
        for (at, letter) in letters.char_indices() {
            let rest = &letters[at + letter.len_utf8()..];
            match self.options.short(letter.encode_utf8(&mut [0; 4])) {
                None => return Err(ParseError::Unrecognized(word.to_owned())),
                Some(option) if option.value.is_some() && !rest.is_empty() => return self.give_with(option, rest),
                Some(option) => self.give(option)?,
            }
        }
        Ok(())
    }

    fn long(&mut self, word: &str, name: &str) -> Result<(), ParseError> {
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        match (self.options.long(name).as_slice(), value) {
            ([option], Some(value)) if option.value.is_some() => self.give_with(option, value),
            ([option], None) => self.give(option),
            ([] | [_], _) => Err(ParseError::Unrecognized(word.to_owned())),
            (several, _) => {
                let candidates = several.iter().filter_map(|option| option.long).collect();
                let dashes = &word[..word.len() - word.trim_start_matches('-').len()];
                Err(ParseError::Ambiguous { word: format!("{dashes}{name}"), candidates })
            }
        }
    }

    fn give_with(&mut self, option: &'static Opt, value: &str) -> Result<(), ParseError> {
        self.give(option)?;
        self.set_value(value);
        Ok(())
    }

    fn give(&mut self, option: &'static Opt) -> Result<(), ParseError> {
        self.check_open()?;
        if self.options.group != Group::None
            && let Some((before, _)) = self.parsed.given.iter().find(|(name, _)| *name != option.short)
        {
            return Err(ParseError::AlreadySelected { given: option.short, before });
        }
        self.parsed.given.push((option.short, None));
        self.open = option.value.map(|_| option);
        Ok(())
    }

    fn set_value(&mut self, value: &str) {
        if let Some((_, last)) = self.parsed.given.last_mut() {
            *last = Some(value.to_owned());
        }
        self.open = None;
    }

    fn check_open(&self) -> Result<(), ParseError> {
        self.open.map_or(Ok(()), |option| Err(ParseError::MissingArgument(option.short)))
    }

    fn finish(self) -> Result<Parsed, ParseError> {
        self.check_open()?;
        let mut missing: Vec<String> = self
            .options
            .options
            .iter()
            .filter(|option| option.required && !self.parsed.has(option.short))
            .map(|option| option.short.to_owned())
            .collect();
        if self.options.group == Group::ExactlyOne && self.parsed.given.is_empty() {
            let names = self.options.options.iter().map(|option| format!("-{} {}", option.short, option.help));
            missing.push(format!("[{}]", names.collect::<Vec<_>>().join(", ")));
        }
        if missing.is_empty() { Ok(self.parsed) } else { Err(ParseError::MissingOption(missing)) }
    }
}

fn without_quotes(word: &str) -> &str {
    word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|inner| !inner.contains('"')).unwrap_or(word)
}

impl fmt::Display for Opt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-{}", self.short)?;
        self.long.map_or(Ok(()), |long| write!(f, ",--{long}"))?;
        self.value.map_or(Ok(()), |value| write!(f, " <{value}>"))
    }
}

#[cfg(test)]
mod tests;
