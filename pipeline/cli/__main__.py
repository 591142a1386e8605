"""`python -m pipeline.cli` does the same as `masksmith`."""

import sys

from pipeline.cli.main import main

sys.exit(main())
