"""`python -m headwise` is the same program as `headwise`."""

from headwise.cli import main

if __name__ == "__main__":
    main()
