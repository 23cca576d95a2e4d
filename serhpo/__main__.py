"""``python -m serhpo``: the same as the command ``serhpo``."""

from serhpo.cli.app import main

main()
