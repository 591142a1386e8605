"""Rules that find what cannot be: one rule a file, each giving findings."""
