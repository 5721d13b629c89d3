//! The one door to PostgreSQL's C interface: safe wrappers, one small file a subject.
//!
//! All hand-written `unsafe` of the crate lives below this module.
#![allow(unsafe_code)]

pub mod activity;
pub mod array;
pub mod board;
pub mod body;
pub mod border;
pub mod bulk;
pub mod call;
pub mod compare;
pub mod constraints;
pub mod convert;
pub mod cursor;
mod deferral;
pub mod encoding;
pub mod expression;
pub mod function;
pub mod identity;
pub mod key_size;
pub mod lock;
pub mod memory;
pub mod message;
pub mod modifier;
pub mod process;
pub mod receiver;
pub mod rows;
pub mod settings;
pub mod spi;
pub mod table;
pub mod transaction;
pub mod trigger;
mod unguarded;
pub mod value;
mod version;
pub mod zone;
