//! What is written is read again, and what is damaged does not pass.

mod any;
mod damaged;
mod example;
mod python;
mod samples;
mod versions;
mod whole;
