"""Sweeps as a static site: `python -m results.site SWEEP... --out DIR`.

Tables are those of the kinds' views and figures those of their hooks, so that a page says what the terminal says and a
new kind has pages without a change here.
"""
