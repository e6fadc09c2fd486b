"""Correct each site's readings by its sensor's offset: `calibrate.py CALIBRATION.json` turns merged.csv into calibrated.csv."""

import csv
import json
import sys

with open(sys.argv[1]) as source:
    offsets = json.load(source)
with open("merged.csv", newline="") as source, open("calibrated.csv", "w", newline="") as target:
    writer = csv.DictWriter(target, ["site", "hour", "celsius"])
    writer.writeheader()
    for row in csv.DictReader(source):
        writer.writerow({**row, "celsius": f"{float(row['celsius']) + offsets[row['site']]:.2f}"})
print("calibrated with", offsets)
