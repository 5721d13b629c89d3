//! What runs tell those who LISTEN on channel `cumulate`: json, with `event`, `target` and what belongs to the event. Any
//! role may listen, so that no text of an error is among it.

use crate::catalog::Definition;
use crate::error::Failure;
use crate::pg::identity::as_extension;
use crate::pg::spi::Statement;
use crate::rules::calendar::{Day, days};
use serde_json::{Value, json};

/// Days were closed.
pub fn closed(definition: &Definition, from: Day, to: Day) {
    let target = definition.target.sql();
    let of_day = |day: Day| json!({"event": "closed", "target": target, "day": day.to_string()});
    send(days(from, to).map(of_day).collect());
}

/// A run failed.
pub fn failed(target: &str, failure: &Failure) {
    send(vec![json!({"event": "failed", "target": target, "sqlstate": failure.sqlstate})]);
}

/// A table is paused.
pub fn paused(target: &str) {
    send(vec![json!({"event": "paused", "target": target})]);
}

fn send(messages: Vec<Value>) {
    // A payload is shorter than 8000 bytes.
    let texts: Vec<String> = messages.iter().map(|message| message.to_string().chars().take(1900).collect()).collect();
    as_extension(|| {
        Statement::new("SELECT pg_catalog.pg_notify('cumulate', message) FROM pg_catalog.unnest($1) AS message")
            .bind(texts)
            .run()
    });
}
