"""Mutants: faults that the tests must find, one file each in a folder, made in a copy of the tree.

A file says in `breaks` what the fault is, in `file`, `find` and `replace` where it is made, and in `found_by` which suite
finds it soonest, with the name of a test when one is enough; or that the compiler does, with what it says.

    mutants.py check TREE FOLDER SUITE...       which mutants do not fit the tree any more, or name no suite
    mutants.py apply TREE COPY FOLDER NAME      makes the fault in COPY from the text in TREE; prints the file and found_by
"""

import pathlib
import sys
import tomllib


def check(tree, folder, *suites):
    found = [line for path in mutants(folder) for line in faults_of(path, tree, suites)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


def faults_of(path, tree, suites):
    mutant = tomllib.loads(path.read_text(encoding="utf-8"))
    missing = [part for part in ("breaks", "file", "find", "replace", "found_by") if part not in mutant]
    if missing:
        yield f"{path.name}: has no {', '.join(missing)}"
        return
    source = pathlib.Path(tree, mutant["file"])
    times = source.read_text(encoding="utf-8").count(mutant["find"]) if source.exists() else 0
    if times != 1:
        yield f"{path.name}: its text is {times} times in {mutant['file']}, not once: adapt it to the source"
    if mutant["found_by"].split()[0] not in suites:
        yield f"{path.name}: found_by names no suite: {' '.join(suites)}"


def apply(tree, copy, folder, name):
    mutant = tomllib.loads(pathlib.Path(folder, name + ".toml").read_text(encoding="utf-8"))
    text = pathlib.Path(tree, mutant["file"]).read_text(encoding="utf-8")
    # Written, not moved there, so that cargo sees its time.
    pathlib.Path(copy, mutant["file"]).write_text(text.replace(mutant["find"], mutant["replace"]), encoding="utf-8")
    print(mutant["file"], mutant["found_by"])
    return 0


def mutants(folder):
    return sorted(pathlib.Path(folder).glob("*.toml"))


sys.exit({"check": check, "apply": apply}[sys.argv[1]](*sys.argv[2:]))
