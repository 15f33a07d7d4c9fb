"""Tests of the pictures of graphs."""
