"""Predictions: which version and backend answers, its loading, and the bytes in and out.

`engine` decides and runs; `watch` knows the registry without asking the database; `cache` keeps
runners in memory; `v2_request`, `v2_response`, `rows`, `images` and `csv_rows` translate.
"""
