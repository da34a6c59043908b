"""Where jobs run. An executor takes jobs, runs them, and tells of what happens through one callback."""
