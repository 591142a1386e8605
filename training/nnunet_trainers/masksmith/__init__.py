"""What nnU-Net finds by name, in a package so that its files can import one another."""
