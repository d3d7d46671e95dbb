"""What several tests share: real processes, and model repositories to run them on."""
