"""The annotator's workbench: worklist, editor, drafts and verdicts over HTTP."""
