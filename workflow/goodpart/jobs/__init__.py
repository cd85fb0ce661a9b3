"""What every job of the workflow shares: its start, log and progress, files that appear whole, Parquet with
provenance, digests of source files, downloads.

It imports nothing of the package but `errors` and `paths`; every other room may import it.
"""
