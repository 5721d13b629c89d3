"""Reads the output of cargo metadata and writes the licences of the crates that are linked into a package: who wrote
them, under which licence, and its text.

    cargo metadata --format-version 1 --locked | python3 scripts/crate_licences.py pg_cumulate
"""

import json
import pathlib
import sys

NAMES = ("license", "licence", "copying", "notice", "unlicense", "copyright")


def main(package):
    metadata = json.load(sys.stdin)
    packages = {each["id"]: each for each in metadata["packages"]}
    (root,) = (each["id"] for each in metadata["packages"] if each["name"] == package)
    linked = sorted((packages[each] for each in linked_into(root, metadata) - {root}), key=lambda each: each["name"])
    for crate in linked:
        print("=" * 78)
        print(f"{crate['name']} {crate['version']}: {crate['license']}")
        if crate["authors"]:
            print("by " + ", ".join(crate["authors"]))
        for text in texts(crate):
            print("-" * 78)
            print(text)
    return 0 if linked else 1


def linked_into(root, metadata):
    """What the package needs to run: not what builds or tests it, nor macros, which leave no code of their own."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    macros = {each["id"] for each in metadata["packages"] if any("proc-macro" in to["kind"] for to in each["targets"])}
    found, open_ = set(), [root]
    while open_:
        node = open_.pop()
        if node not in found and node not in macros:
            found.add(node)
            open_ += [to["pkg"] for to in nodes[node]["deps"] if any(kind["kind"] is None for kind in to["dep_kinds"])]
    return found


def texts(crate):
    folder = pathlib.Path(crate["manifest_path"]).parent
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().startswith(NAMES):
            yield path.read_text(encoding="utf-8", errors="replace").strip()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
