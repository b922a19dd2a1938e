"""fastgd against its rivals: same data, same objective, same number of threads, one run.

datasets.py    what is trained on            rivals/    who trains: one adapter file each
measure.py     how time is taken             suites/    what is asked: one file each
footprint.py   import time, peak memory      report.py  tables on the screen and in a JSON file
conditions.py  on which machine              chart.py   from that file to the README's chart

python -m benchmarks [sgd|all] [--data DIR] [--quick] [--only TABLE] [--out FILE]
python -m benchmarks chart RESULTS.json OUT.svg
"""
