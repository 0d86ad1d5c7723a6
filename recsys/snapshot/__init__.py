"""What a snapshot is on disk: its files, its manifest and signature, and the store that publishes it."""
