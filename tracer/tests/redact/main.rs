//! Redacted evidence: its filters, and what `show` makes of it.

mod filters;
mod shown;
