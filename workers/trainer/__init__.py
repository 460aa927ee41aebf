"""The trainer: one fresh process a job, that knows no database and no broker."""
