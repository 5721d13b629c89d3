//! Links from one document to another, and to the headings of both.

use super::{all_documents, read, top};
use std::path::{Component, Path, PathBuf};

#[test]
fn every_link_between_documents_leads_somewhere() {
    let broken: Vec<String> = all_documents().iter().flat_map(|path| broken_links(path)).collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn a_heading_is_linked_as_github_does() {
    for (heading, anchor) in [
        ("## Dropping, and taking over", "dropping-and-taking-over"),
        ("### create_table", "create_table"),
        ("### sales.cumulate_day", "salescumulate_day"),
        ("## What `late` says", "what-late-says"),
    ] {
        assert_eq!(anchor_of(heading).as_deref(), Some(anchor));
    }
    assert_eq!(anchor_of("no heading"), None);
}

fn broken_links(path: &str) -> Vec<String> {
    let text = read(path);
    let links = links(&text);
    links.into_iter().filter(|link| !leads_somewhere(path, link)).map(|link| format!("{path}: {link}")).collect()
}

/// What stands in round brackets behind square ones, but for addresses of other sites.
fn links(text: &str) -> Vec<&str> {
    let behind = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
    behind.filter(|link| !link.contains("://")).collect()
}

fn leads_somewhere(from: &str, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let folder = Path::new(from).parent().unwrap();
    let target = if file.is_empty() { PathBuf::from(from) } else { straight(&folder.join(file)) };
    let Some(anchor) = anchor else { return top().join(target).exists() };
    let target = target.to_str().unwrap().to_owned();
    all_documents().contains(&target) && read(&target).lines().any(|line| anchor_of(line).as_deref() == Some(anchor))
}

/// A path without `..`.
fn straight(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
        path
    })
}

fn anchor_of(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = title.trim().to_lowercase().replace(' ', "-");
    Some(kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect())
}
