//! Settings: Java `.properties` text, typed definitions (Kafka's *ConfigDef*) and the small grammars inside values.
//!
//! The way of a setting: [`Properties`] reads the file and keeps the line of each entry; a [`Definitions`] table says
//! which settings exist and turns their text into [`Values`]; the grammars in [`grammar`] take apart what one string
//! holds (listeners, connect strings, maps). Texts of errors are Apache's, because people search for them.
#![deny(missing_docs)]

mod definition;
mod describe;
mod file;
pub mod grammar;
mod jvm;
mod validate;
mod value;

pub use definition::{Default, Definitions, Importance, Scope, Setting, Values};
pub use file::{Entry, FileError, Origin, Properties, escape, key_value};
pub use validate::{Check, SettingError};
pub use value::{Kind, Value};
