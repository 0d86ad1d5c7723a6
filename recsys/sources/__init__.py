"""First-stage generators: each returns its own best candidates for a query."""
