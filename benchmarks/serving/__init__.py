"""torchkiln against its peers, one row a request: `python -m benchmarks.serving`.

`servers/` says how each server is installed, started and asked, `peers/` holds what a peer's own
interpreter runs. The rest measures: processes on their cores, closed and open loops, the report.
"""
