"""What a branch does to the pipeline's results: both sides run on one machine, compared, in one Markdown report."""
