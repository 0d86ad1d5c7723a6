"""Lists against what happened next: metrics that know nothing of how the lists were made."""
