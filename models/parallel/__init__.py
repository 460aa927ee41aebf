"""One training in several processes (the tutorial's section 10.3)."""
