//! What a user types and reads: pg_regress over `schedule`, `sql` and `expected`.
//!
//! Results go below Cargo's temporary folder for tests. The server cannot read the checkout, so no test uses a
//! server-side COPY.

use pg_cumulate_tests::{Cluster, Regress, Tester};
use std::path::Path;

#[test]
fn what_a_user_types_gives_the_expected_output() {
    let cluster = Cluster::builder().conf("cumulate.enabled = off").start();
    let input = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("regress");
    let regress = Regress { tester: Tester::Regress, input, schedule: &input.join("schedule"), output: &output };
    match regress.run(&cluster) {
        Ok(said) => println!("{said}"),
        Err(differences) => panic!("{differences}"),
    }
}
