"""How long a prediction takes and what memory it needs: the table of the paper's figure 8."""
