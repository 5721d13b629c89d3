//! Test support: throw-away PostgreSQL clusters (this folder) and an independent model of the law (`model`).
//!
//! The server is the one of `PG_CONFIG`. Clusters live below `PG_CUMULATE_RUN` (default: a folder in /var/tmp, short
//! because a socket path ends at 107 bytes) and disappear with the test, unless it failed.
#![forbid(unsafe_code)]

mod ask;
mod builder;
mod clock;
mod cluster;
mod database;
mod dice;
mod folder;
mod memory;
mod postmaster;
mod quote;
mod regress;
mod server;
mod stored;
mod template;
mod wait;
mod watchdog;

#[path = "../model/mod.rs"]
pub mod model;

pub use ask::{Ask, Refusal};
pub use builder::Builder;
pub use clock::Clock;
pub use cluster::{Cluster, StopMode};
pub use database::{Database, ENCODINGS};
pub use dice::Dice;
pub use memory::{growth_while, own_memory};
pub use postmaster::{children_of, is_stopped, send};
pub use quote::{ident, literal};
pub use regress::{Regress, Tester};
pub use server::Server;
pub use stored::Reader;
pub use wait::{eventually, wait_for};
