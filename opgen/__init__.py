"""Derives C++ sources, bindings, stubs and reference text from the operator table `ops`."""
