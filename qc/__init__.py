"""What the eye checks: pictures of every mask of a case."""
