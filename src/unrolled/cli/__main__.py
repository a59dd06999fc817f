"""`python -m unrolled.cli`, where the script is not on the path."""

from unrolled.cli import main

main()
