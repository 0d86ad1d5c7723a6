"""Features by family. Training and serving call the same ``assemble``; one query is a batch of one."""
