# pyright: basic, reportMissingImports=false
"""What the benchmark tells the peers' scripts: see `Site.settings`."""

import os

SETTINGS = {name[6:].lower(): value for name, value in os.environ.items() if name[:6] == "BENCH_"}
"""`host`, `port`, `workers`, `model`, `name`, `input`, `output`, …"""
