"""fastgd against its rivals: same data, same objective, same number of threads, one run.

datasets.py    what is trained on            rivals/    who trains: one adapter file each
measure.py     how time is taken             suites/    what is asked: one file each
duel.py        two sides, one table row      report.py  tables on the screen and in a JSON file
footprint.py   import time, peak memory      chart.py   from that file to the README's charts
conditions.py  on which machine              compare.py a revision against the tree

for whole fits to the optimum (`converge`):
objective.py   what is minimised             arena.py   a process for each package
optimum.py     how low it gets               ladder.py  the tolerances that every solver climbs

python -m benchmarks [sgd|many|converge|all] [--data DIR] [--quick] [--only TABLE] [--out FILE]
python -m benchmarks compare REV [SUITE ...] [--quick] [--only TABLE]
python -m benchmarks chart RESULTS.json OUT.svg
"""
