"""Tests made from the operator table: every row, against every promise that its kind gives."""
