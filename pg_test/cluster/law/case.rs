//! A definition and what happens to its table.

use crate::form::{self, Form};
use crate::operation::{self, Operation};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt;

#[derive(Debug, Clone)]
pub struct Case {
    pub form: Form,
    pub operations: Vec<Operation>,
}

/// A case for a database of an encoding.
pub fn any(encoding: &'static str) -> impl Strategy<Value = Case> {
    let operations = vec(operation::any(), 6..24);
    (form::any(encoding), operations).prop_map(|(form, operations)| Case { form, operations })
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.form)?;
        let mut numbered = self.operations.iter().enumerate();
        numbered.try_for_each(|(index, operation)| writeln!(f, "{}. {operation:?}", index + 1))
    }
}
