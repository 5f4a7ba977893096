"""What the operating system and the terminal provide: durable files, processes, progress, retries."""
