"""The operator table: a file per family, a row per operator."""
