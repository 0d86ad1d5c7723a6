"""The library: what a recommendation is. Arrays in, arrays out; no transport, no clock, no environment."""
