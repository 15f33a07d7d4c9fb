"""One test per promise of the semantics that a compatible engine meets."""
