"""Put the cleaned readings of all sites into one file: `merge.py A.csv B.csv …` writes merged.csv here."""

import csv
import sys

merged = []
for name in sys.argv[1:]:
    with open(name, newline="") as source:
        merged += csv.DictReader(source)
merged.sort(key=lambda row: (int(row["hour"]), row["site"]))
with open("merged.csv", "w", newline="") as target:
    writer = csv.DictWriter(target, ["site", "hour", "celsius"])
    writer.writeheader()
    writer.writerows(merged)
print(f"merged {len(merged)} readings of {len(sys.argv) - 1} sites")
