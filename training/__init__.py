"""What nnU-Net does: rounds, predictions, final models."""
