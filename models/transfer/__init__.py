"""Transfer learning (the tutorial's section 10.5): bases, the trainings, and their report."""
