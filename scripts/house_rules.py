"""Rules of the house that no compiler lint can say, over the Rust sources of a folder.

- unsafe is written only under src/pg: it has one door. The lint may also be allowed in src/api and src/lib.rs,
  because the macros of pgrx expand to it there, and what PostgreSQL calls by name must say unsafe(no_mangle).
- src/rules does not name pgrx: the rules know nothing of PostgreSQL.
- What pgrx knows of texts stays under src/pg, for it takes them for UTF-8 whatever the encoding of the server: its
  conversions, errors and notices are named there alone, and a function that SQL calls takes no String.
- The folders and files right below src make no circle: what one uses does not use it in turn. pg and error, which each
  need the other for errors and their words, count as one.
- clippy's unwrap_used, expect_used and panic are allowed in tests only.
"""

import pathlib
import re
import sys

LEVEL = re.compile(r"#!?\[[^\]]*?\b(?:allow|expect|warn)\s*\(([^)]*)\)")
IN_TESTS_ONLY = {"clippy::unwrap_used", "clippy::expect_used", "clippy::panic"}
FOR_TESTS = r"(?:test\b|any\(test\b|(?:any\()?feature = \"pg_test\")"
TEST_ATTRIBUTE = re.compile(r"#!?\[cfg_attr\(\s*" + FOR_TESTS)
TEST_MODULE = re.compile(r"#\[cfg\(" + FOR_TESTS + r"[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))? )?mod\b")


def main(folder):
    paths = sorted(pathlib.Path(folder).rglob("*.rs"))
    found = [line for path in paths for line in violations(path)]
    found += [f"{folder}: a circle: {' -> '.join(circle)}" for circle in circles(uses_of(paths))]
    print("\n".join(found))
    return 1 if found else 0


def violations(path):
    text = without_comments(path.read_text(encoding="utf-8"))
    # A file's tests come last.
    tests = TEST_MODULE.search(text)
    tests_begin = tests.start() if tests else len(text)
    for level in LEVEL.finditer(text):
        lints = {lint.strip() for lint in level.group(1).split(",")}
        where = place(path, text, level)
        if "unsafe_code" in lints and path.parts[1] not in ("pg", "api", "lib.rs"):
            yield f"{where}: unsafe_code may be allowed in src/pg, src/api and src/lib.rs only"
        in_tests = level.start() >= tests_begin or TEST_ATTRIBUTE.match(level.group())
        if lints & IN_TESTS_ONLY and not in_tests:
            yield f"{where}: {', '.join(sorted(lints & IN_TESTS_ONLY))} may be allowed in tests only"
    if path.parts[1] == "rules":
        for use in re.finditer(r"\bpgrx(?:_\w+)?\b", text):
            yield f"{place(path, text, use)}: src/rules must not name {use.group()}"
    if path.parts[1] == "api":
        for taken in re.finditer(r"\bname!\(\w+, (?:Option<)?String\b|^    \w+: (?:default!\()?Option<(?:Vec<)?(?:Option<)?String\b", text, re.M):
            yield f"{place(path, text, taken)}: a text comes and goes as Text of src/pg/function.rs"
    if path.parts[1] != "pg":
        for word in re.finditer(r"\b(?:FromDatum|IntoDatum|ErrorReport|ereport|pgrx::(?:notice|warning|log|error))\b", text):
            yield f"{place(path, text, word)}: {word.group()} takes texts for UTF-8 and belongs under src/pg"
        for word in re.finditer(r"\bunsafe\b(?!\(no_mangle\))", text):
            yield f"{place(path, text, word)}: unsafe belongs under src/pg"


def uses_of(paths):
    """What each part of the house uses, its tests left out."""
    names = {path.parts[1].removesuffix(".rs") for path in paths} - {"lib", "in_backend"}
    as_one = lambda name: "pg" if name == "error" else name
    uses = {as_one(name): set() for name in names}
    for path in paths:
        text = without_comments(path.read_text(encoding="utf-8"))
        tests = TEST_MODULE.search(text)
        user = path.parts[1].removesuffix(".rs")
        if user in names:
            used = set(re.findall(r"\bcrate::(\w+)", text[: tests.start() if tests else None]))
            for group in re.findall(r"\bcrate::\{([^;]*)\}", text):
                used |= set(re.findall(r"(?<![:\w])\w+", group))
            uses[as_one(user)] |= {as_one(name) for name in used & names} - {as_one(user)}
    return uses


def circles(uses):
    """The first circle that is found from each part, if there is one, each once."""
    found, done = [], set()

    def walk(part, way):
        if part in way:
            found.append(way[way.index(part):] + [part])
        elif part not in done:
            for used in sorted(uses[part]):
                walk(used, way + [part])
            done.add(part)

    for part in sorted(uses):
        walk(part, [])
    return found


def place(path, text, match):
    return f"{path}:{text.count(chr(10), 0, match.start()) + 1}"


def without_comments(text):
    """Line comments only, lines kept: good enough for the words looked for."""
    return re.sub(r"//[^\n]*", "", text)


sys.exit(main(sys.argv[1]))
