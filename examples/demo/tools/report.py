"""Draw averages.csv as bars: `report.py REPORT.txt`."""

import csv
import sys

with open("averages.csv", newline="") as source:
    averages = [(int(row["hour"]), float(row["celsius"])) for row in csv.DictReader(source)]
coldest = min(value for _, value in averages)
with open(sys.argv[1], "w") as target:
    print("hour  mean °C", file=target)
    for hour, value in averages:
        print(f"{hour:4d}  {value:7.2f}  {'#' * (1 + round(3 * (value - coldest)))}", file=target)
