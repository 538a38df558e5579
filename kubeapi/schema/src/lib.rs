//! Record model and store formats.

#![forbid(unsafe_code)]
