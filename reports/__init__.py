"""Figures and tables: code that draws, one file per figure."""
