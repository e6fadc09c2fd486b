"""Average calibrated.csv hour by hour into averages.csv."""

import csv
from collections import defaultdict
from statistics import mean

by_hour = defaultdict(list)
with open("calibrated.csv", newline="") as source:
    for row in csv.DictReader(source):
        by_hour[int(row["hour"])].append(float(row["celsius"]))
with open("averages.csv", "w", newline="") as target:
    writer = csv.writer(target)
    writer.writerow(["hour", "celsius"])
    writer.writerows([hour, f"{mean(values):.2f}"] for hour, values in sorted(by_hour.items()))
print(f"averaged {len(by_hour)} hours")
