"""Reads the output of cargo metadata and names every package whose licence is not permissive."""

import json
import re
import sys

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0",
    "PostgreSQL", "Unicode-3.0", "Unicode-DFS-2016", "Unlicense", "Zlib",
}
PERMISSIVE_EXCEPTIONS = {"LLVM-exception"}


def main():
    packages = json.load(sys.stdin)["packages"]
    refused = [package for package in packages if not is_permissive(package["license"])]
    for package in refused:
        print(f"{package['name']} {package['version']}: {package['license'] or 'no licence named'}")
    print(f"{len(packages)} packages, {len(refused)} refused")
    return 1 if refused else 0


def is_permissive(expression):
    """An SPDX expression; "/" is the old way to write OR."""
    if not expression:
        return False
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    allowed, rest = either(tokens)
    return allowed and not rest


def either(tokens):
    allowed, tokens = both(tokens)
    while tokens and tokens[0] == "OR":
        right, tokens = both(tokens[1:])
        allowed = allowed or right
    return allowed, tokens


def both(tokens):
    allowed, tokens = one(tokens)
    while tokens and tokens[0] == "AND":
        right, tokens = one(tokens[1:])
        allowed = allowed and right
    return allowed, tokens


def one(tokens):
    if not tokens:
        return False, tokens
    if tokens[0] == "(":
        allowed, tokens = either(tokens[1:])
        return allowed and tokens[:1] == [")"], tokens[1:]
    allowed = tokens[0] in PERMISSIVE
    tokens = tokens[1:]
    if tokens and tokens[0] == "WITH":
        allowed = allowed and tokens[1] in PERMISSIVE_EXCEPTIONS
        tokens = tokens[2:]
    return allowed, tokens


if __name__ == "__main__":
    sys.exit(main())
