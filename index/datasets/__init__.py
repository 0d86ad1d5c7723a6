"""Writers of the three canonical tables from public data sets."""
