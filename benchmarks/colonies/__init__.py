"""A third simulator of migrating cells, step by step in time, and what every printed number makes of its movies."""
