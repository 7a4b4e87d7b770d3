"""What makes one task of others: one idea a file."""
