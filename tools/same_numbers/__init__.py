"""Prove that a code change changed no number: record what the old and the new code compute, and compare.

python -m tools.same_numbers record build/before --checkout ../old --data ../shared/data
python -m tools.same_numbers record build/after --data ../shared/data
python -m tools.same_numbers compare build/before build/after \
    --except '*/migration.csv:turn_cosine' --because 'an internal of the correction, now in a file of its own'

The commands and pipeline stages of a checkout run in a scratch folder, so neither its files nor its MLflow store are
touched. Nothing is imported from `somanet`: the same tool reads both sides, even if modules moved in between.
"""
