"""From drawings to masks: names, cases, places, what was drawn, and what becomes of it."""
