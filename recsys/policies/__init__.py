"""What happens after ranking: each policy reorders or drops, none adds or scores."""
