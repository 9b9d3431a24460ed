//! `cargo xtask build`: the object and the agent.

use anyhow::Result;

use crate::cmd;
use crate::place::Place;
use crate::setup;

/// Sets up, and builds the agent with the object inside; returns where they are.
pub(crate) fn agent() -> Result<Place> {
    let place = setup::for_build()?.place;
    cmd::run(place.cargo().args([
        "build",
        "--release",
        "--package",
        "tracer",
        "--bin",
        "tracer",
    ]))?;
    Ok(place)
}
