"""Heart structures from contrast scans onto native ones, and a model of both."""
