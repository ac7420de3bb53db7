//! The usage that commons-cli prints: one line of syntax, then the options sorted, in two columns.

use super::Options;

/// The width of a help that does not say another one.
pub const WIDTH: usize = 74;

/// Usage and options, every line ended.
pub fn render(syntax: &str, options: &Options, width: usize) -> String {
    let mut out = String::new();
    let tab_stop = "usage: ".len() + syntax.find(' ').map_or(0, |at| at + 1);
    wrap(&mut out, width, tab_stop, &format!("usage: {syntax}"));
    let mut sorted: Vec<_> = options.options.iter().collect();
    sorted.sort_by_key(|option| option.short.to_lowercase());
    let names: Vec<String> = sorted.iter().map(|option| format!(" {option}")).collect();
    let widest = names.iter().map(String::len).max().unwrap_or(0);
    for (name, option) in names.iter().zip(sorted) {
        wrap(&mut out, width, widest + 3, &format!("{name:widest$}   {}", option.help));
    }
    out
}

/// Appends a text as lines of at most `width` characters, those behind the first one indented.
fn wrap(out: &mut String, width: usize, indent: usize, text: &str) {
    let indent = if indent >= width { 1 } else { indent };
    let mut rest = text.to_owned();
    while let Some(at) = wrap_at(&rest, width) {
        let at = if at < indent && rest.len() > width { width } else { at };
        out.push_str(rest[..at].trim_end());
        out.push('\n');
        rest = format!("{:indent$}{}", "", rest[at..].trim());
    }
    out.push_str(rest.trim_end());
    out.push('\n');
}

/// Where a line that is too long is broken: at the last blank that fits. Texts are ASCII.
fn wrap_at(text: &str, width: usize) -> Option<usize> {
    if text.len() <= width {
        return None;
    }
    text[..=width].rfind(' ').filter(|at| *at > 0).or(Some(width))
}

#[cfg(test)]
mod tests {
    use super::super::Opt;
    use super::*;

    #[test]
    fn options_are_sorted_and_aligned() {
        const OPTIONS: Options = Options::of(&[
            Opt::flag("s", "stat"),
            Opt::flag("R", "recurse"),
            Opt::value("z", "Used with chop.").long("zxid"),
        ]);
        let expected = "usage: ls [options] path\n -R                recurse\n -s                stat\n \
                        -z,--zxid <arg>   Used with chop.\n";
        assert_eq!(render("ls [options] path", &OPTIONS, WIDTH), expected);
    }

    #[test]
    fn long_texts_are_wrapped() {
        const OPTIONS: Options = Options::of(&[Opt::flag("d", "one two three four")]);
        assert_eq!(render("x y", &OPTIONS, 16), "usage: x y\n -d   one two\n      three four\n");
    }
}
