"""fastgd against its rivals: same data, same objective, same number of threads, one run.

datasets.py    what is trained on            rivals/    who trains: one adapter file each
measure.py     how time is taken             suites/    what is asked: one file each
duel.py        two sides, one table row      report.py  tables on the screen and in a JSON file
footprint.py   import time, peak memory      chart.py   from that file to the README's charts
conditions.py  on which machine

python -m benchmarks [sgd|many|all] [--data DIR] [--quick] [--only TABLE] [--out FILE]
python -m benchmarks chart RESULTS.json OUT.svg
"""
