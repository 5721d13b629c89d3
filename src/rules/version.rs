//! Versions of the extension, as control file and library have them: numbers divided by dots.

/// The version of this library.
pub const LIBRARY: &str = env!("CARGO_PKG_VERSION");

/// Whether one version is newer than another.
pub fn is_newer(version: &str, than: &str) -> bool {
    numbers(version) > numbers(than)
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert!(is_newer("0.10.0", "0.9.9") && is_newer("1.0", "0.9") && is_newer("0.1.0.1", "0.1.0"));
        assert!(!is_newer("0.1.0", "0.1.0") && !is_newer("0.0.9", "0.1.0") && !is_newer("unknown", "0.1.0"));
    }
}
