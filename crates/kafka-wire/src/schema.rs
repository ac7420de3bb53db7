//! The notation in which `messages/` and `records/` declare their fields.
//!
//! ```text
//! messages! {
//!     JoinGroup
//!
//!     /// What the member sends.
//!     struct Request {
//!         0..     group_id: String;                             in every version
//!         1..     rebalance_timeout_ms: i32 = -1, ignorable;    from version 1 on; before that left out quietly
//!         5..     group_instance_id: Option<String> = null;     may be null wherever it is carried
//!         0..=3   retention_time_ms: i64 = -1;                  gone after version 3
//!         12..    cluster_id: Option<String> = null, tag 0;     a tagged field (KIP-482)
//!         0..     topics: Option<Vec<Topic>>, null_from 1;      null in version 0 is an error
//!         0..     topics: Vec<Topic>;                           a list of another struct of the block
//!         0..     error_code: i16, uncounted;                   an error that is not counted (`counted_from N`: in
//!                                                               versions before N)
//!     }
//!
//!     struct Topic { .. }
//! }
//! ```
//!
//! The struct `Request` is the request, `Response` the response, all others are their parts. Without `= ..` a field
//! starts as zero, empty or false, and an `Option` as *present and empty*, as in Kafka's own schema. A value other
//! than that default in a field which the version does not carry is an error, unless the field is `ignorable`.
//!
//! The macros write two straight lists of calls per struct, one to read and one to write; everything behind them is
//! out of line and not generic ([`FieldReader`], [`FieldWriter`], [`Field`]), which keeps the crate quick to build.

use crate::error::{DecodeError, EncodeError};
use crate::primitives::{Decoder, Encoder, Form};

/// The value a field starts with.
#[derive(Debug, Clone, Copy)]
pub enum Constant {
    /// 0, false, empty, or a struct of defaults.
    Zero,
    /// A number.
    Number(i64),
    /// True.
    True,
    /// Null.
    Null,
}

/// A field as declared: its name, the versions that carry it, and what it is otherwise.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    pub(crate) name: &'static str,
    first: i16,
    last: i16,
    default: Constant,
    null_from: i16,
    tag: Option<u32>,
    ignorable: bool,
    /// Versions in which it is an error code that counts.
    counted_from: i16,
}

/// No version is as late as this.
const UNCOUNTED: i16 = i16::MAX;

impl FieldSpec {
    pub(crate) const fn new(name: &'static str, first: i16, last: i16, default: Constant) -> FieldSpec {
        let name = match name.as_bytes() {
            [b'r', b'#', ..] => name.split_at(2).1,
            _ => name,
        };
        let counted_from = if matches!(name.as_bytes(), b"error_code") { 0 } else { UNCOUNTED };
        FieldSpec { name, first, last, default, null_from: 0, tag: None, ignorable: false, counted_from }
    }

    pub(crate) const fn counted_from(mut self, version: i16) -> FieldSpec {
        self.counted_from = version;
        self
    }

    pub(crate) const fn uncounted(self) -> FieldSpec {
        self.counted_from(UNCOUNTED)
    }

    pub(crate) const fn ignorable(mut self) -> FieldSpec {
        self.ignorable = true;
        self
    }

    pub(crate) const fn tag(mut self, tag: u32) -> FieldSpec {
        self.tag = Some(tag);
        self
    }

    pub(crate) const fn null_from(mut self, version: i16) -> FieldSpec {
        self.null_from = version;
        self
    }

    fn is_carried(&self, version: i16) -> bool {
        is_between(version, self.first, self.last)
    }

    fn is_counted(&self, version: i16) -> bool {
        is_between(version, self.counted_from, self.last)
    }

    fn form(&self, form: Form) -> Form {
        Form { nullable: form.version >= self.null_from, ..form }
    }
}

/// A Rust type that a field may have.
pub trait Field {
    /// The value it starts with.
    fn initial(default: Constant) -> Self
    where
        Self: Sized;
    /// Is it (still) the value it started with?
    fn is_initial(&self, default: Constant) -> bool;
    /// Replaces the value by what the frame holds.
    fn read(&mut self, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError>;
    /// Appends the value. `name` is for errors.
    fn write(&self, encoder: &mut Encoder, form: Form, name: &'static str) -> Result<(), EncodeError>;
    /// The fewest bytes a value of this type takes.
    fn smallest(&self, form: Form) -> usize;
    /// The code, if this is a field for error codes.
    fn error_code(&self) -> i16 {
        0
    }
}

/// A struct declared with `messages!`; its fields in the order of the wire.
pub trait Struct {
    /// Shows every field to the reader.
    fn read_fields(&mut self, reader: &mut FieldReader<'_>) -> Result<(), DecodeError>;
    /// Shows every field to the writer.
    fn write_fields<'a>(&'a self, writer: &mut FieldWriter<'a, '_>) -> Result<(), EncodeError>;
}

/// Reads the fields of one struct: those in place one after the other, then the tagged ones as they come.
pub struct FieldReader<'d> {
    decoder: &'d mut Decoder,
    form: Form,
    /// `None`: fields in place. Otherwise the one tag whose value comes next.
    tag: Option<u32>,
    known: bool,
    /// No field but this one is looked at.
    only: Option<&'static str>,
}

impl<'d> FieldReader<'d> {
    pub(crate) fn new(decoder: &'d mut Decoder, form: Form, tag: Option<u32>) -> FieldReader<'d> {
        FieldReader { decoder, form, tag, known: false, only: None }
    }
}

impl FieldReader<'_> {
    /// Reads `field`, if its turn is now.
    pub fn field(&mut self, spec: &'static FieldSpec, field: &mut dyn Field) -> Result<(), DecodeError> {
        if spec.tag != self.tag
            || !spec.is_carried(self.form.version)
            || self.only.is_some_and(|only| only != spec.name)
        {
            return Ok(());
        }
        self.known = true;
        field.read(self.decoder, spec.form(self.form)).map_err(|error| error.inside(spec.name))
    }
}

/// Reads a struct.
pub(crate) fn read_struct(value: &mut dyn Struct, decoder: &mut Decoder, form: Form) -> Result<(), DecodeError> {
    value.read_fields(&mut FieldReader::new(decoder, form, None))?;
    if !form.flexible {
        return Ok(());
    }
    #[cfg(test)]
    if decoder.generator.is_some() {
        return crate::tests::generate_tagged(value, decoder, form);
    }
    for _ in 0..decoder.unsigned_varint()? {
        let tag = decoder.unsigned_varint()?;
        let size = decoder.unsigned_varint()? as usize;
        decoder.within(size, &mut |decoder| {
            let mut reader = FieldReader::new(decoder, form, Some(tag));
            value.read_fields(&mut reader)?;
            // Somebody newer than us: not our business.
            if !reader.known {
                decoder.skip(size)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Writes the fields of one struct, or counts the bytes they take at the least.
pub struct FieldWriter<'a, 'e> {
    target: Target<'e>,
    form: Form,
    tagged: Vec<Tagged<'a>>,
}

/// A tagged field to be written: its tag, what it is, its value.
pub(crate) type Tagged<'a> = (u32, &'static FieldSpec, &'a dyn Field);

enum Target<'e> {
    Write(&'e mut Encoder),
    Count(usize),
}

impl<'a> FieldWriter<'a, '_> {
    /// Writes `field` if the version carries it; keeps it for later if it is tagged.
    pub fn field(&mut self, spec: &'static FieldSpec, field: &'a dyn Field) -> Result<(), EncodeError> {
        let carried = spec.is_carried(self.form.version);
        if let Target::Write(encoder) = &mut self.target
            && spec.is_counted(self.form.version)
        {
            encoder.errors.count(field.error_code());
        }
        match &mut self.target {
            Target::Count(bytes) => {
                if carried && spec.tag.is_none() {
                    *bytes += field.smallest(spec.form(self.form));
                }
                Ok(())
            }
            Target::Write(_) if !carried => {
                if spec.ignorable || field.is_initial(spec.default) {
                    return Ok(());
                }
                Err(EncodeError::NotCarried { field: spec.name, version: self.form.version })
            }
            Target::Write(encoder) => match spec.tag {
                None => field.write(encoder, spec.form(self.form), spec.name),
                Some(_) if field.is_initial(spec.default) => Ok(()),
                Some(tag) => {
                    self.tagged.push((tag, spec, field));
                    Ok(())
                }
            },
        }
    }
}

/// Writes a struct.
pub(crate) fn write_struct(value: &dyn Struct, encoder: &mut Encoder, form: Form) -> Result<(), EncodeError> {
    let mut writer = FieldWriter { target: Target::Write(encoder), form, tagged: Vec::new() };
    value.write_fields(&mut writer)?;
    let tagged = writer.tagged;
    if !form.flexible {
        return Ok(());
    }
    #[cfg(test)]
    if encoder.unknown_tags.is_some() {
        return crate::tests::write_tags_and_unknown_ones(tagged, encoder, form);
    }
    encoder.unsigned_varint(tagged.len() as u32);
    write_tags(tagged, encoder, form)
}

/// Writes tagged fields in the order of their tags; their number stands before them.
pub(crate) fn write_tags(mut tagged: Vec<Tagged<'_>>, encoder: &mut Encoder, form: Form) -> Result<(), EncodeError> {
    tagged.sort_unstable_by_key(|(tag, ..)| *tag);
    for (tag, spec, field) in tagged {
        let mut content = Encoder::new();
        #[cfg(test)]
        content.unknown_tags.clone_from(&encoder.unknown_tags);
        field.write(&mut content, spec.form(form), spec.name)?;
        let Ok(size) = u32::try_from(content.len()) else {
            return Err(EncodeError::TooLong { field: spec.name, len: content.len() });
        };
        encoder.unsigned_varint(tag);
        encoder.unsigned_varint(size);
        encoder.append(content);
    }
    Ok(())
}

/// The fewest bytes a struct takes in this form.
pub(crate) fn smallest_struct(value: &dyn Struct, form: Form) -> usize {
    let mut writer = FieldWriter { target: Target::Count(usize::from(form.flexible)), form, tagged: Vec::new() };
    match (value.write_fields(&mut writer), writer.target) {
        (Ok(()), Target::Count(bytes)) => bytes,
        _ => 1,
    }
}

/// A message's name for errors, its versions, and the first of them with compact forms and tagged fields.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Such as `JoinGroupRequest`.
    pub name: &'static str,
    /// The first version.
    pub first: i16,
    /// The last version.
    pub last: i16,
    /// The first flexible version; `i16::MAX` when there is none.
    pub flexible: i16,
}

impl Shape {
    fn form(&self, version: i16) -> Option<Form> {
        let known = self.first <= version && version <= self.last;
        known.then_some(Form { version, flexible: version >= self.flexible, nullable: false })
    }

    fn decode(&self, message: &mut dyn Struct, decoder: &mut Decoder, version: i16) -> Result<(), DecodeError> {
        let Some(form) = self.form(version) else {
            let problem = crate::error::Problem::UnsupportedVersion(version);
            return Err(DecodeError::from(problem).inside_message(self.name, version));
        };
        read_struct(message, decoder, form).map_err(|error| error.inside_message(self.name, version))
    }

    fn encode(&self, message: &dyn Struct, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let form = self.form(version).ok_or(EncodeError::UnsupportedVersion { message: self.name, version })?;
        write_struct(message, encoder, form)
    }
}

/// A whole request, response or record: knows its versions.
pub trait Message: Struct + Default + Clone + PartialEq + std::fmt::Debug {
    /// Name and versions.
    const SHAPE: Shape;

    /// Reads the message in this version from where the decoder stands.
    fn decode(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut message = Self::default();
        Self::SHAPE.decode(&mut message, decoder, version)?;
        Ok(message)
    }

    /// Appends the message in this version.
    fn encode(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        Self::SHAPE.encode(self, encoder, version)
    }
}

/// Sets how long a client has to wait, in ms, in a response that says so in this version; others stay as they are.
pub fn set_throttle_time(response: &mut dyn Struct, version: i16, millis: i32) {
    let mut decoder = Decoder::new(bytes::Bytes::copy_from_slice(&millis.to_be_bytes()));
    let form = Form { version, flexible: false, nullable: false };
    let only = Some("throttle_time_ms");
    let mut reader = FieldReader { decoder: &mut decoder, form, tag: None, known: false, only };
    // Four bytes are a whole number, and no other field is read.
    let _ = response.read_fields(&mut reader);
}

/// A kind of request as a type: which key, which request, which response.
pub trait Api {
    /// Its number, versions and headers.
    const KEY: crate::ApiKey;
    /// What is asked.
    type Request: Message;
    /// What is answered.
    type Response: Message;
}

/// `default!()`, `default!(null)`, `default!(- 1)`: what stands behind `=` in the notation.
macro_rules! default {
    () => {
        $crate::schema::Constant::Zero
    };
    (null) => {
        $crate::schema::Constant::Null
    };
    (true) => {
        $crate::schema::Constant::True
    };
    ($($number:tt)+) => {
        $crate::schema::Constant::Number($($number)+)
    };
}

/// `last!(..)`, `last!(..= 3)`: the end of a version range.
macro_rules! last {
    (..) => {
        i16::MAX
    };
    (..= $last:literal) => {
        $last
    };
}

/// Declares structs and how they are read and written; see the module.
macro_rules! structs {
    ($part_of:literal $(
        $(#[$doc:meta])*
        struct $name:ident {
            $(
                $(#[$field_doc:meta])*
                $first:literal $dots:tt $($last:literal)? $field:ident : $type:ty
                $(= $default:tt $($default_rest:literal)?)? $(, $option:ident $($argument:literal)?)* ;
            )*
        }
    )*) => {$(
        $(#[$doc])*
        #[doc = concat!("\n\n", $part_of)]
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[doc = concat!(
                    "\n\nVersions ", stringify!($first), stringify!($dots) $(, stringify!($last))?
                    $(, "; starts as ", stringify!($default) $(, stringify!($default_rest))?)?
                    $(, "; ", stringify!($option) $(, " ", stringify!($argument))?)*,
                    "."
                )]
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                use $crate::schema::Field;
                Self { $($field: Field::initial(default!($($default $($default_rest)?)?)),)* }
            }
        }

        impl $crate::schema::Struct for $name {
            fn read_fields(
                &mut self,
                reader: &mut $crate::schema::FieldReader<'_>,
            ) -> Result<(), $crate::DecodeError> {
                $(reader.field(
                    const { &$crate::schema::FieldSpec::new(
                        stringify!($field), $first, last!($dots $($last)?), default!($($default $($default_rest)?)?),
                    )$(.$option($($argument)?))* },
                    &mut self.$field,
                )?;)*
                Ok(())
            }

            fn write_fields<'a>(
                &'a self,
                writer: &mut $crate::schema::FieldWriter<'a, '_>,
            ) -> Result<(), $crate::EncodeError> {
                $(writer.field(
                    const { &$crate::schema::FieldSpec::new(
                        stringify!($field), $first, last!($dots $($last)?), default!($($default $($default_rest)?)?),
                    )$(.$option($($argument)?))* },
                    &self.$field,
                )?;)*
                Ok(())
            }
        }
    )*};
}

/// Declares one API: its unit struct, `Request`, `Response` and their parts; see the module.
macro_rules! messages {
    ($api:ident $($structs:tt)*) => {
        #[doc = concat!("The API ", stringify!($api), " as a type, for callers that send a request and want its response.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $api;

        impl $crate::schema::Api for $api {
            const KEY: $crate::ApiKey = $crate::ApiKey::$api;
            type Request = Request;
            type Response = Response;
        }

        impl $crate::schema::Message for Request {
            const SHAPE: $crate::schema::Shape =
                $crate::ApiKey::$api.shape(concat!(stringify!($api), "Request"));
        }

        impl $crate::schema::Message for Response {
            const SHAPE: $crate::schema::Shape =
                $crate::ApiKey::$api.shape(concat!(stringify!($api), "Response"));
        }

        structs! { "A part of this module's request or response." $($structs)* }
    };
}

/// Declares that a struct is a record with versions of its own; see [`records`](crate::records).
macro_rules! record {
    ($name:ident, versions $first:literal ..= $last:literal $(, flexible from $flexible:literal)?) => {
        impl $crate::schema::Message for $name {
            const SHAPE: $crate::schema::Shape = $crate::schema::Shape {
                name: stringify!($name),
                first: $first,
                last: $last,
                flexible: first_or_never!($($flexible)?),
            };
        }
    };
}

/// `first_or_never!(4)`, `first_or_never!()`: the first flexible version, if there is one.
macro_rules! first_or_never {
    () => {
        i16::MAX
    };
    ($version:literal) => {
        $version
    };
}

pub(crate) const fn is_between(version: i16, first: i16, last: i16) -> bool {
    first <= version && version <= last
}

/// Declares what callers may ask about a version of this API instead of comparing numbers.
macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident: $first:literal $dots:tt $($last:literal)?;)*) => {
        /// A version of this API, to be asked what it can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Version(pub i16);

        impl Version {
            $(
                $(#[$doc])*
                #[doc = concat!("\n\nVersions ", stringify!($first), stringify!($dots) $(, stringify!($last))?, ".")]
                pub const fn $name(self) -> bool {
                    $crate::schema::is_between(self.0, $first, last!($dots $($last)?))
                }
            )*
        }
    };
}
