"""The command, with short pauses before what failed is tried again. Takes its arguments."""

from coordinator.cli import main
from coordinator.engine import policy

if __name__ == "__main__":
    policy.FIRST_DELAY, policy.LONGEST_DELAY = 0.05, 0.5
    main()
