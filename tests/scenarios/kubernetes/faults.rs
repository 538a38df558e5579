//! Objects that come, change and go while all programs run.
