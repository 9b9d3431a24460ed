//! Findings, written for people and for programs.
//!
//! **Owns:** what each finding means, what to look at, and the line `finding` of the schema `tracer/1`.
//! **Never:** whether something is one: that was judged elsewhere.

mod json;
mod text;
mod words;

#[cfg(test)]
mod tests;
