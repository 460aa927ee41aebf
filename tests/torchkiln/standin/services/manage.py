"""Notes how it was called. `migration-fails` in the data directory: it does."""

import os
import sys
from pathlib import Path

data_dir = Path(os.environ["TORCHKILN_DATA_DIR"])
if (data_dir / "migration-fails").exists():
    sys.exit("no such table")
database = os.environ.get("TORCHKILN_DATABASE_URL")
sys.stdout.write(f"manage {' '.join(sys.argv[1:])} {database}\n")
