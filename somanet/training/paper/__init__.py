"""The paper's study: its runs and what goes beyond them, beside the numbers that it reports."""
