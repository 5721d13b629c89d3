#!/usr/bin/env bash
# The long forms, each with a seed of its own, for an hour unless PG_CUMULATE_LAW_SECONDS and PG_CUMULATE_FAULT_SECONDS say
# otherwise: the law with full coverage, and load under fire.
set -euo pipefail
here=$(dirname "$0")

export PG_CUMULATE_SOAK=1
export PG_CUMULATE_LAW_SECONDS=${PG_CUMULATE_LAW_SECONDS:-3600} PG_CUMULATE_FAULT_SECONDS=${PG_CUMULATE_FAULT_SECONDS:-3600}
"$here/test.sh" --test law
"$here/test.sh" --test faults
