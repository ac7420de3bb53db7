//! Words taken apart as commons-cli does.

use super::*;

const OPTIONS: Options = Options::of(&[
    Opt::flag("s", "stat"),
    Opt::flag("e", "ephemeral"),
    Opt::flag("w", "watch"),
    Opt::value("v", "version"),
    Opt::value("members", "new members"),
]);

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn options_stand_anywhere() {
    let parsed = OPTIONS.parse(&words("-s /a -v 3 -e data")).unwrap();
    assert!(parsed.has("s") && parsed.has("e") && !parsed.has("w"));
    assert_eq!((parsed.value("v"), parsed.args.join(" ").as_str()), (Some("3"), "/a data"));
    for (line, version) in [("-sev7 /a", "7"), ("-v=8 /a", "8"), ("/a -v -1", "-1"), ("-v \"9\" /a", "9")] {
        assert_eq!(OPTIONS.parse(&words(line)).unwrap().value("v"), Some(version), "{line}");
    }
    assert_eq!(OPTIONS.parse(&words("-members a=b,c=d")).unwrap().value("members"), Some("a=b,c=d"));
    assert_eq!(OPTIONS.parse(&words("-- -s - /a")).unwrap().args, ["-s", "-", "/a"]);
    assert_eq!(OPTIONS.parse(&["set", "", "-"]).unwrap().args, ["set", "", "-"]);
}

#[test]
fn what_does_not_fit_is_named_with_its_class() {
    let refused = |line: &str| OPTIONS.parse(&words(line)).unwrap_err().with_class();
    let class = "org.apache.commons.cli";
    for word in ["-z", "-5", "--s", "-sz", "-s=1", "--version=1"] {
        assert_eq!(refused(word), format!("{class}.UnrecognizedOptionException: Unrecognized option: {word}"));
    }
    for line in ["/a -v", "-v -s"] {
        assert_eq!(refused(line), format!("{class}.MissingArgumentException: Missing argument for option: v"));
    }
}

#[test]
fn groups() {
    const LIMITS: &[Opt] = &[Opt::value("n", "num soft quota"), Opt::value("B", "bytes hard quota")];
    let exactly = Options { options: LIMITS, group: Group::ExactlyOne };
    let message = |options: &Options, line: &str| options.parse(&words(line)).unwrap_err().to_string();
    assert_eq!(message(&exactly, "/n"), "Missing required option: [-n num soft quota, -B bytes hard quota]");
    let already = "The option 'B' was specified but an option from this group has already been selected: 'n'";
    assert_eq!(message(&exactly, "-n 1 -B 2"), already);
    let at_most = Options { options: LIMITS, group: Group::AtMostOne };
    assert!(at_most.parse(&["/n"]).is_ok());
    assert_eq!(at_most.parse(&words("-n 1 -n 2")).unwrap().value("n"), Some("1"));
}

#[test]
fn long_names_may_be_shortened() {
    const LONG: Options = Options::of(&[
        Opt::flag("r", "Recovery").long("recover"),
        Opt::value("z", "Zxid").long("zxid"),
        Opt::value("l", "Left").long("left").required("LEFT"),
        Opt::flag("x", "More").long("recoil"),
    ]);
    let parsed = LONG.parse(&words("--recover --zx=5 -left f g")).unwrap();
    assert!(parsed.has("r"));
    assert_eq!((parsed.value("z"), parsed.value("l"), parsed.args.len()), (Some("5"), Some("f"), 1));
    assert_eq!(LONG.parse(&words("-zxid77 -l f")).unwrap().value("z"), Some("77"));
    // A value of one letter is not looked for behind a long name.
    assert_eq!(LONG.parse(&words("-zxid7 -l f")).unwrap().value("z"), Some("xid7"));
    let message = |line: &str| LONG.parse(&words(line)).unwrap_err().to_string();
    assert_eq!(message("--reco"), "Ambiguous option: '--reco'  (could be: 'recover', 'recoil')");
    assert_eq!(message("-r"), "Missing required option: l");
}
