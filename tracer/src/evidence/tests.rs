//! What is written is read again, and what is damaged does not pass.

mod samples;
mod whole;
