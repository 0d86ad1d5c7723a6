"""The offline application: tables in, a published snapshot out."""
