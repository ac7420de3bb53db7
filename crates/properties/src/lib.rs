//! Java properties text and typed setting definitions.
