"""Tracks in micrometres and hours in; saltations, directions and statistics with intervals out."""
