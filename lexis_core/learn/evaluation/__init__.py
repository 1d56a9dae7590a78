"""The benchmark: what is seen and started from, the methods, their scores, and the report."""
