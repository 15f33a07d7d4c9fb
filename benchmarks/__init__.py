"""Side-by-side measurements of Chainrule and torch; run ``python -m benchmarks --help``."""
