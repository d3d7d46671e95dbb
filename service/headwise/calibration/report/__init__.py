"""What people look at: plots, and a page of them. Needs matplotlib."""
