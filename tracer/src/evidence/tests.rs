//! What is written is read again, and what is damaged does not pass.

mod any;
mod damaged;
mod samples;
mod whole;
