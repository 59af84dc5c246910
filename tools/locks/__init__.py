"""Locks that cannot lie: `make locks` refuses a `dvc.lock` whose stages did not run; `make bless` proves they need not.

A lock says: these outputs were made by this code. After a change of the code that alters no output the only way to keep
outputs that took hours is `bless`, which computes what it can with both and keeps the proof beside the lock.
"""
