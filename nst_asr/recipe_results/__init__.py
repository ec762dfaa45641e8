"""RESULTS.md of a recipe: its tables over seeds, between runs and between variants, written by a tool from run folders.

`over_seeds`, `by_run` and `variants` make a section, `origin` what is below its table, `written` puts it into the file.
"""
