"""Parts of the loader: collation of samples, fetching, and worker processes."""
