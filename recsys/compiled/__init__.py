"""Forests as machine code: compiled and kept on the machine that serves them, equal to LightGBM bit by bit."""
