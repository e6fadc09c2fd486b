"""Take faulty rows out of a site's readings: `clean.py READINGS.csv` writes clean.csv here."""

import csv
import sys

LOWEST, HIGHEST = -60.0, 60.0

with open(sys.argv[1], newline="") as source, open("clean.csv", "w", newline="") as target:
    rows = list(csv.DictReader(source))
    good = [row for row in rows if row["celsius"] and LOWEST < float(row["celsius"]) < HIGHEST]
    writer = csv.DictWriter(target, ["site", "hour", "celsius"])
    writer.writeheader()
    writer.writerows(good)
print(f"{sys.argv[1]}: kept {len(good)} of {len(rows)} readings")
