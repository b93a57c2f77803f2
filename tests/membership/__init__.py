"""The membership of a closed mesh as a model: random worlds with thieves, and faults planted in its rules."""
