"""From a plan to records: what is pending, jobs, training, scoring, and the workers that run jobs."""
