//! A table of settings as Markdown, for the documentation.

use std::fmt::Write as _;

use crate::definition::{Default, Definitions, Importance, Scope};

impl Importance {
    /// `high`, `medium` or `low`.
    pub fn name(self) -> &'static str {
        match self {
            Importance::High => "high",
            Importance::Medium => "medium",
            Importance::Low => "low",
        }
    }
}

impl Scope {
    /// `read-only`, `per-broker` or `cluster-wide`.
    pub fn name(self) -> &'static str {
        match self {
            Scope::ReadOnly => "read-only",
            Scope::PerBroker => "per-broker",
            Scope::ClusterWide => "cluster-wide",
        }
    }
}

impl Definitions {
    /// One row per public setting: name, what it does, type, default, legal values, importance, where it may change.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| setting | what it does | type | default | valid | importance | changes |\n|--|--|--|--|--|--|--|\n",
        );
        for setting in self.settings().filter(|setting| !setting.internal) {
            let default = match setting.default {
                Default::Required => "",
                Default::Null => "null",
                Default::Text("") => "\"\"",
                Default::Text(text) => text,
            };
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                setting.name,
                setting.doc.replace('|', "\\|"),
                setting.kind.name().to_ascii_lowercase(),
                default,
                setting.check.describe(),
                setting.importance.name(),
                setting.scope.name(),
            )
            .expect("a string takes everything");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use crate::{Check, Definitions, Kind, Setting};

    #[test]
    fn one_row_per_public_setting() {
        static TABLE: Definitions = Definitions::new(&[
            Setting::new("threads", Kind::Int, "3", "a | b").check(Check::at_least(1)).high().cluster_wide(),
            Setting::optional("secret.switch", Kind::Boolean, "hidden").internal(),
        ]);
        let text = TABLE.markdown();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.lines().last(), Some("| threads | a \\| b | int | 3 | [1,...] | high | cluster-wide |"));
    }
}
