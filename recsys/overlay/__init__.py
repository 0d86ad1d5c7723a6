"""What changed of the catalogue since a snapshot was built, laid over it: the same snapshot, with other items."""
