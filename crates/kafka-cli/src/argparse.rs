//! Command lines as argparse4j takes them: options, then a command with options of its own. Texts are wrapped at 75
//! columns and stretched to them, as that library does.

use std::collections::BTreeMap;

use crate::output::Console;

/// Columns of a text.
const WIDTH: usize = 75;
/// Where the descriptions of options begin.
const HELP_COLUMN: usize = 25;

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: it is there or not.
    Flag,
    /// Any text.
    Text,
    /// A number of 32 bits.
    Integer,
    /// A number of 64 bits.
    Long,
}

/// An option.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// With its dashes, as `--topic`.
    pub name: &'static str,
    /// The short form, as `-h`; empty if there is none.
    pub short: &'static str,
    /// What stands for its value in texts.
    pub metavar: &'static str,
    /// In our words.
    pub help: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Is a command line without it a mistake?
    pub required: bool,
}

impl Arg {
    /// An option that may be left out.
    pub const fn new(name: &'static str, kind: Kind, metavar: &'static str, help: &'static str) -> Arg {
        Arg { name, short: "", metavar, help, kind, required: false }
    }

    /// One that may not.
    pub const fn required(self) -> Arg {
        Arg { required: true, ..self }
    }

    /// With a short form.
    pub const fn short(self, short: &'static str) -> Arg {
        Arg { short, ..self }
    }

    fn is(&self, word: &str) -> bool {
        word == self.name || (!self.short.is_empty() && word == self.short)
    }

    /// As in a usage line.
    fn in_usage(&self) -> String {
        let name = if self.short.is_empty() { self.name } else { self.short };
        let with_value = if self.kind == Kind::Flag { name.to_owned() } else { format!("{name} {}", self.metavar) };
        if self.required { with_value } else { format!("[{with_value}]") }
    }

    fn in_help(&self) -> String {
        let names = if self.short.is_empty() { self.name.to_owned() } else { format!("{}, {}", self.short, self.name) };
        let names = if self.kind == Kind::Flag { names } else { format!("{names} {}", self.metavar) };
        entry(&names, self.help)
    }

    fn check(&self, value: &str) -> Result<(), String> {
        let (is_right, kind) = match self.kind {
            Kind::Flag | Kind::Text => return Ok(()),
            Kind::Integer => (value.parse::<i32>().is_ok(), "Integer"),
            Kind::Long => (value.parse::<i64>().is_ok(), "Long"),
        };
        let name = self.name;
        let wrong =
            || format!("argument {name}: could not convert '{value}' to {kind} (For input string: \"{value}\")");
        if is_right { Ok(()) } else { Err(wrong()) }
    }
}

const HELP: Arg = Arg::new("--help", Kind::Flag, "", "print this and end").short("-h");

/// A command with its options.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Its options, but for `--help`.
    pub args: &'static [Arg],
}

/// A tool.
#[derive(Debug, Clone, Copy)]
pub struct Parser {
    /// As usage lines call it.
    pub program: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Its own options, but for `--help`.
    pub args: &'static [Arg],
    /// Its commands.
    pub commands: &'static [Command],
}

/// A command line that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The command.
    pub command: &'static str,
    values: BTreeMap<&'static str, String>,
}

impl Parsed {
    /// Is the option there?
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value of an option.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of an option that takes a number; it was looked at before.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// A text that was asked for.
    Asked(String),
    /// The usage, and what is wrong.
    Mistake(String),
    /// One of the tool's own options that ends it, such as `--version`.
    Flag(&'static str),
}

impl Ended {
    /// Prints it; the exit code.
    pub fn report(self, console: &mut Console) -> u8 {
        match self {
            Ended::Asked(text) => {
                console.bytes(text.as_bytes());
                // As Apache's tools end that use argparse4j: what they were asked for was not done.
                1
            }
            Ended::Mistake(text) => {
                console.error_text(&text);
                1
            }
            Ended::Flag(_) => 0,
        }
    }
}

impl Parser {
    /// Takes a command line apart.
    ///
    /// # Errors
    /// What is to be printed instead of doing anything.
    pub fn parse(&self, words: &[String]) -> Result<Parsed, Ended> {
        let mut parsed = Parsed::default();
        let mut words = words.iter();
        let mut command: Option<&Command> = None;
        while let Some(word) = words.next() {
            let mistake = |line: String| self.mistake(command, &line);
            if !word.starts_with('-') || word == "-" {
                if command.is_some() {
                    return Err(mistake(format!("unrecognized arguments: '{word}'")));
                }
                let known = self.commands.iter().find(|one| one.name == word);
                command = Some(known.ok_or_else(|| mistake(self.not_a_command(word)))?);
                continue;
            }
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if HELP.is(name) {
                return Err(Ended::Asked(command.map_or_else(|| self.help(), |command| self.command_help(command))));
            }
            let args = command.map_or(self.args, |command| command.args);
            let Some(arg) = args.iter().find(|arg| arg.is(name)) else {
                return Err(mistake(format!("unrecognized arguments: '{word}'")));
            };
            if arg.kind == Kind::Flag {
                return Err(Ended::Flag(arg.name));
            }
            let value = inline.or_else(|| words.next().filter(|next| !is_option(next)).cloned());
            let value = value.ok_or_else(|| mistake(format!("argument {}: expected one argument", arg.name)))?;
            arg.check(&value).map_err(mistake)?;
            parsed.values.insert(arg.name, value);
        }
        let Some(command) = command else { return Err(self.mistake(None, "too few arguments")) };
        parsed.command = command.name;
        self.check_required(Some(command), command.args, &parsed)?;
        self.check_required(None, self.args, &parsed)?;
        Ok(parsed)
    }

    fn check_required(&self, command: Option<&Command>, args: &[Arg], parsed: &Parsed) -> Result<(), Ended> {
        // In the order of their names, as it happens.
        let missing = args.iter().filter(|arg| arg.required && !parsed.has(arg.name)).map(|arg| arg.name).min();
        missing.map_or(Ok(()), |name| Err(self.mistake(command, &format!("argument {name} is required"))))
    }

    fn not_a_command(&self, word: &str) -> String {
        let names: Vec<String> = self.commands.iter().map(|command| format!("'{}'", command.name)).collect();
        format!("invalid choice: '{word}' (choose from {})", names.join(", "))
    }

    fn mistake(&self, command: Option<&Command>, line: &str) -> Ended {
        let usage = command.map_or_else(|| self.usage(), |command| self.command_usage(command));
        Ended::Mistake(usage + &wrapped(&format!("{}: error: {line}", self.program), WIDTH, 0) + "\n")
    }

    fn usage(&self) -> String {
        let options = std::iter::once(&HELP).chain(self.args).map(Arg::in_usage);
        self.usage_of(options.chain(["COMMAND ...".to_owned()]))
    }

    fn command_usage(&self, command: &Command) -> String {
        let before = self.args.iter().filter(|arg| arg.required).map(Arg::in_usage);
        let words = before.chain([command.name.to_owned()]);
        self.usage_of(words.chain(std::iter::once(&HELP).chain(command.args).map(Arg::in_usage)))
    }

    /// Words are not torn apart, and lines not stretched.
    fn usage_of(&self, words: impl Iterator<Item = String>) -> String {
        let front = format!("usage: {} ", self.program);
        let (mut text, mut line) = (front.clone(), String::new());
        for word in words {
            if !line.is_empty() && front.len() + line.len() + 1 + word.len() > WIDTH {
                text.extend([line.as_str(), "\n", &" ".repeat(front.len())]);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += &word;
        }
        text + &line + "\n"
    }

    fn help(&self) -> String {
        let mut text = format!("{}\n{}\n\noptional arguments:\n", self.usage(), wrapped(self.purpose, WIDTH, 0));
        text.extend(std::iter::once(&HELP).chain(self.args).map(Arg::in_help));
        text += "\ncommands:\n";
        text += &entry("COMMAND", "what to do");
        for command in self.commands {
            text += &entry(&format!("  {}", command.name), command.help);
        }
        text
    }

    fn command_help(&self, command: &Command) -> String {
        let mut text = format!("{}\noptional arguments:\n", self.command_usage(command));
        text.extend(std::iter::once(&HELP).chain(command.args).map(Arg::in_help));
        text
    }
}

/// A negative number is a value.
fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.parse::<i64>().is_err()
}

fn entry(names: &str, help: &str) -> String {
    let help = wrapped(help, WIDTH - HELP_COLUMN, HELP_COLUMN);
    // Two blanks at least between the two.
    if names.len() + 4 <= HELP_COLUMN {
        format!("  {names:width$}{help}\n", width = HELP_COLUMN - 2)
    } else {
        format!("  {names}\n{}{help}\n", " ".repeat(HELP_COLUMN))
    }
}

/// Lines of at most so many columns, each but the last stretched to them; further lines begin with `indent` blanks.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines: Vec<Vec<&str>> = vec![Vec::new()];
    let mut len = 0;
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let more = if len == 0 { word.len() } else { len + 1 + word.len() };
        // The blank behind a word has to fit as well.
        let blank = usize::from(words.peek().is_some());
        if more + blank > width && len > 0 {
            lines.push(vec![word]);
            len = word.len();
        } else {
            if let Some(line) = lines.last_mut() {
                line.push(word);
            }
            len = more;
        }
    }
    let last = lines.len() - 1;
    let stretched: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(at, words)| if at < last { stretch(words, width) } else { words.join(" ") })
        .collect();
    stretched.join(&format!("\n{}", " ".repeat(indent)))
}

/// Blanks go to all gaps alike, and what is left over to those in the middle.
fn stretch(words: &[&str], width: usize) -> String {
    let gaps = words.len() - 1;
    let natural: usize = words.iter().map(|word| word.len()).sum::<usize>() + gaps;
    if gaps == 0 {
        return words.join(" ");
    }
    let spare = width.saturating_sub(natural);
    let (each, rest) = (spare / gaps, spare % gaps);
    let first = (gaps - rest).div_ceil(2);
    let mut line = String::new();
    for (at, word) in words.iter().enumerate() {
        line += word;
        if at < gaps {
            let more = usize::from((first..first + rest).contains(&at));
            line += &" ".repeat(1 + each + more);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARSER: Parser = Parser {
        program: "tool.sh",
        purpose: "Does things.",
        args: &[
            Arg::new("--version", Kind::Flag, "", "print the version").short("-v"),
            Arg::new("--server", Kind::Text, "host:port", "whom to ask").required(),
        ],
        commands: &[
            Command { name: "list", help: "list things", args: &[] },
            Command {
                name: "end",
                help: "end one",
                args: &[
                    Arg::new("--topic", Kind::Text, "TOPIC", "where").required(),
                    Arg::new("--offset", Kind::Long, "OFFSET", "since"),
                ],
            },
        ],
    };

    fn parse(line: &str) -> Result<Parsed, Ended> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        PARSER.parse(&words)
    }

    fn mistake(line: &str) -> String {
        match parse(line) {
            Err(Ended::Mistake(text)) => text.lines().last().unwrap_or_default().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_of_the_tool_and_of_the_command_are_told_apart() {
        let parsed = parse("--server a:1 end --topic=t --offset -5").unwrap();
        assert_eq!((parsed.command, parsed.text("--topic"), parsed.number("--offset")), ("end", Some("t"), Some(-5)));
        assert_eq!(parsed.text("--server"), Some("a:1"));
        assert!(!parse("--server a:1 list").unwrap().has("--topic"));
    }

    #[test]
    fn mistakes_are_told_as_argparse4j_tells_them() {
        assert_eq!(mistake(""), "tool.sh: error: too few arguments");
        assert_eq!(mistake("list"), "tool.sh: error: argument --server is required");
        assert_eq!(mistake("--server a end"), "tool.sh: error: argument --topic is required");
        assert_eq!(mistake("--server a end --topic"), "tool.sh: error: argument --topic: expected one argument");
        assert_eq!(mistake("--server a list --x"), "tool.sh: error: unrecognized arguments: '--x'");
        assert_eq!(mistake("--server a go"), "tool.sh: error: invalid choice: 'go' (choose from 'list', 'end')");
        let wrong = "argument --offset: could not convert 'x' to Long (For input string: \"x\")";
        assert_eq!(parse("--server a end --offset x"), Err(PARSER.mistake(Some(&PARSER.commands[1]), wrong)));
        assert_eq!(parse("-v"), Err(Ended::Flag("--version")));
    }

    #[test]
    fn lines_are_stretched_from_the_middle() {
        let words = ["abort", "a", "hanging", "transaction", "(requires"];
        assert_eq!(stretch(&words, 50), "abort    a    hanging     transaction    (requires");
        let text = "kafka-transactions.sh: error: argument --partition: could not convert 'abc' to Integer (For input string: abc)";
        let stretched = "kafka-transactions.sh:  error:  argument  --partition:  could  not  convert\n'abc' to Integer (For input string: abc)";
        assert_eq!(wrapped(text, WIDTH, 0), stretched);
        let line = "tool.sh: error: invalid choice: 'frobnicate' (choose from";
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(stretch(&words, line.len() + 4), "tool.sh: error:  invalid  choice:  'frobnicate'  (choose from");
    }
}
