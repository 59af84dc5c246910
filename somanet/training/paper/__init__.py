"""The paper's study: its runs and further ones, next to the numbers that the paper reports."""
