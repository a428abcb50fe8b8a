"""What `run.py` is made of: what is measured (sections), how (jobs), with what (bench), and how it is told (report, plot)."""
