//! Whole sessions of the built program against a server of this test: what is printed, to where,
//! and with which exit code.

mod answers;
mod failures;
mod fake;
mod imports;
mod outside;
mod session;
mod tls;
