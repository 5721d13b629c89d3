//! initdb takes seconds, so it is done once for each installed server and then copied.

use crate::folder::{make_for_server, run_folder};
use crate::server::Server;
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// Fills `data` with a new, never started cluster.
pub(crate) fn copy_template(server: &Server, data: &Path) {
    let mut copy = server.as_server_user(Path::new("cp"));
    succeed(copy.args(["-a", "--reflink=auto"]).arg(template(server)).arg(data));
}

fn template(server: &Server) -> &'static Path {
    static TEMPLATES: Mutex<BTreeMap<String, &'static Path>> = Mutex::new(BTreeMap::new());
    let name = template_name(server);
    let mut templates = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
    templates.entry(name.clone()).or_insert_with(|| {
        let finished = run_folder().join(name);
        if !finished.join("data").exists() {
            make_template(server, &finished);
        }
        Box::leak(finished.join("data").into_boxed_path())
    })
}

/// Test programs may run at the same time: each makes its own and the first one to finish gives the name.
fn make_template(server: &Server, finished: &Path) {
    let draft = finished.with_extension(std::process::id().to_string());
    make_for_server(server, &draft);
    let mut initdb = server.server_program("initdb");
    initdb.args(["-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "--no-sync"]);
    if server.major() >= 18 {
        // As before 18, so that pg_upgrade takes the data of either into the other.
        initdb.arg("--no-data-checksums");
    }
    succeed(initdb.arg("-D").arg(draft.join("data")));
    if fs::rename(&draft, finished).is_err() {
        fs::remove_dir_all(&draft).expect("an own draft can be removed");
    }
    assert!(finished.join("data").exists(), "{} was not made", finished.display());
}

/// Another server, or the same one somewhere else, needs a template of its own.
fn template_name(server: &Server) -> String {
    let mut hasher = DefaultHasher::new();
    (server.version(), server.bindir(), server.user()).hash(&mut hasher);
    format!("template-{}-{:016x}", server.major(), hasher.finish())
}

/// Runs a command that must succeed; what it said is in the panic when it does not.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}
