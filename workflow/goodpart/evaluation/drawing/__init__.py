"""What several figures share: their style, the statistics that they select, and layouts."""
