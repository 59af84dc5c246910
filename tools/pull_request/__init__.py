"""A branch's effect on the pipeline's results: both sides run on one machine and compared in one Markdown report."""
