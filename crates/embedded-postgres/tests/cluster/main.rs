//! A real PostgreSQL, and the ways in which it and its data directories fail.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, and says where")]

mod lifecycle;
mod refusals;
mod support;
