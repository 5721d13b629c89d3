"""Says with pgspot what in the extension's install script somebody else's objects could capture: nothing may.

    install_script.py FOLDERS-OF-PGSPOT SCRIPT
"""

import pathlib
import re
import subprocess
import sys

# What CREATE EXTENSION does before the script: the control file names the schema, and the script refuses one that was
# there and held anything, or in which others may make objects.
BEFORE = "CREATE SCHEMA cumulate; SET LOCAL search_path = cumulate, pg_temp;\n"

# Procedures that commit may have no setting of their own; each name in them is written with its schema.
ACCEPTED = [
    "cumulate.add_metric(target regclass,name text,metric pg_catalog.json)",
    "cumulate.backfill(target regclass,from_day date,to_day date)",
]

# pgspot does not know bodies that are parsed when the function is made. They are looked at as statements of the script,
# whose search_path is theirs.
PARSED_BODY = re.compile(r"^CREATE FUNCTION [^;$]*?^BEGIN ATOMIC\n(.*?)^END;", re.MULTILINE | re.DOTALL)


def main(folders, script):
    text = PARSED_BODY.sub(r"\1", pathlib.Path(script).read_text(encoding="utf-8"))
    accepted = [argument for name in ACCEPTED for argument in ("--proc-without-search-path", name)]
    command = [sys.executable, "-m", "pgspot", *accepted]
    found = subprocess.run(command, input=BEFORE + text, text=True, capture_output=True, env={"PYTHONPATH": folders})
    print(found.stdout + found.stderr)
    return 0 if found.returncode == 0 and "Errors: 0 Warnings: 0 Unknown: 0" in found.stdout else 1


sys.exit(main(*sys.argv[1:]))
