"""Models that were trained elsewhere: read, refused with the reason, certified. What reads a file
that nobody vouches for runs in a process of its own, `python -m models.imports`."""
