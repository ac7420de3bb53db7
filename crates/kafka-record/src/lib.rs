//! Record batches as bytes.
