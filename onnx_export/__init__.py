"""Scripts that make the model bundle; nobody who uses LEXIS needs to run them."""
