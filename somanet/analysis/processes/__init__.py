"""Experimental: the processes of migrating cells, traced from each soma along ridges, and which of them leads."""
