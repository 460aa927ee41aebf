"""What people see in a terminal: tables, and a job's live progress."""
