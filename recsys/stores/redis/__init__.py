"""State in a Redis or Valkey server, shared by servers on many machines."""
