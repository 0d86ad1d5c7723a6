"""The online application: servicers, workers and the thin clients."""
