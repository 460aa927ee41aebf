"""`python -m dashboard`."""

from dashboard.main import main

main()
