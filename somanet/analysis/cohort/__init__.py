"""A cohort of movies: one row per movie, all cells in one table, and groups compared between donors."""
