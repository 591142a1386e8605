"""What the workbench answers, one file per subject."""
