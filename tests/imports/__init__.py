"""Who may import whom in the larger packages, one module for each; tests/import_table.py joins them."""
