//! Cumulative tables of every kind, over the wire: keys, metrics, clocks, sources, rights, and their way through dumps
//! and upgrades.

mod added_metrics;
mod additions;
mod adoption;
mod backfills;
mod clocks;
mod constraints;
mod counts;
mod damage;
mod drops;
mod dumps;
mod encodings;
mod floods;
mod hostile;
mod installs;
mod keys;
mod memory;
mod metrics;
mod modifiers;
mod names;
mod partitions;
mod parts;
mod programs;
mod reads;
mod reruns;
mod restores;
mod retention;
mod rights;
mod shapes;
mod sources;
mod today;
mod unlogged;
mod upgrade;
mod verifying;
mod views;
